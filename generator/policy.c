/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/policy.h"

#include <fnmatch.h>

#define SET_BY_BERTH "it is set by Berth; remove it"
#define LATER        "this version of Berth does not bring it into the container; remove it"

static const struct {
        const char *section, *pattern, *instead;
} refused[] = {
        { "Service", "ExecStart", "use Exec= in [Container]" },
        { "Service", "ExecReload", "use ReloadExec= or ReloadSignal= in [Container]" },
        { "Service", "Type", "Berth sets Type=notify; only Type=oneshot may be chosen" },
        { "Service", "NotifyAccess", SET_BY_BERTH },
        { "Service", "Delegate*", SET_BY_BERTH },
        { "Service", "KillMode", SET_BY_BERTH },
        { "Service", "PIDFile", "systemd learns the main process from Berth; remove it" },
        { "Service", "BusName", "a container owns no bus name of the host; remove it" },
        { "Service", "User", "use User= in [Container]" },
        { "Service", "Group", "use Group= in [Container]" },
        { "Service", "DynamicUser", "use PrivateUsers= in [Container]" },
        { "Service", "SupplementaryGroups", "use SupplementaryGroups= in [Container]" },
        { "Service", "PAMName", "use User= in [Container]" },
        { "Service", "WorkingDirectory", "use WorkingDirectory= in [Container]" },
        { "Service", "Root*", "use Image= in [Container]" },
        { "Service", "Environment", "use Environment= in [Container]" },
        { "Service", "EnvironmentFile", "use EnvironmentFile= in [Container]" },
        { "Service", "PassEnvironment", "use Environment= in [Container]" },
        { "Service", "UnsetEnvironment", "the container's environment starts empty; remove it" },
        { "Service", "StandardInput*", "use berth exec or berth shell; remove it" },
        { "Service", "UMask", "use UMask= in [Container]" },
        { "Service", "Capabilit*", "use Capability= and DropCapability= in [Container]" },
        { "Service", "AmbientCapabilities", "use AmbientCapability= in [Container]" },
        { "Service", "SecureBits", LATER },
        { "Service", "NoNewPrivileges", "use NoNewPrivileges= in [Container]" },
        { "Service", "SystemCall*", "use SystemCallFilter= in [Container]" },
        { "Service", "PrivateUsers", "use PrivateUsers= in [Container]" },
        { "Service", "PrivateNetwork", "use Mode= in [Network]" },
        { "Service", "Private*", "a container has its own; remove it" },
        { "Service", "ProtectSystem", "use ReadOnly= in [Container]" },
        { "Service", "Protect*", "a container sees nothing of it; remove it" },
        { "Service", "ProcSubset", "a container sees nothing of it; remove it" },
        { "Service", "Restrict*", LATER },
        { "Service", "ReadOnlyPaths", "use ReadOnlyPaths= or ReadOnly= in [Container]" },
        { "Service", "Read*Paths", "use a [Mount NAME]" },
        { "Service", "InaccessiblePaths", "use InaccessiblePaths= in [Container]" },
        { "Service", "ExecPaths", LATER },
        { "Service", "NoExecPaths", LATER },
        { "Service", "Bind*Paths", "use a [Mount NAME] with Type=bind" },
        { "Service", "TemporaryFileSystem", "use Tmpfs= in [Container]" },
        { "Service", "MountImages", "use a [Mount NAME]" },
        { "Service", "ExtensionImages", "use Image= in [Container]" },
        { "Service", "MountAPIVFS", SET_BY_BERTH },
        /* systemd still reads the old names of *Paths=: ReadOnlyDirectories= and so on. */
        { "Service", "*Directories", "use a [Mount NAME]" },
        { "Service", "*Directory", "use a Volume= in [Container] or a [Mount NAME]" },
        { "Service", "MountFlags", SET_BY_BERTH },
        { "Service", "KeyringMode", SET_BY_BERTH },
        { "Service", "NetworkNamespacePath", "use Mode= in [Network]" },
        { "Service", "IPCNamespacePath", "a container has its own; remove it" },
        { "Service", "JoinsNamespaceOf", "a container has its own namespaces; remove it" },
        { "Socket", "Accept", "a container is not started for each connection; remove it" },
        { "Socket", "Service", SET_BY_BERTH },
        { "Timer", "Unit", SET_BY_BERTH },
        { "Unit", "JoinsNamespaceOf", "a container has its own namespaces; remove it" },
        { "Unit", "SourcePath", SET_BY_BERTH },
};

const char *policy_refusal(const char *section, const char *directive) {
        for (size_t i = 0; i < ARRAY_LEN(refused); i++)
                if (streq(refused[i].section, section) && fnmatch(refused[i].pattern, directive, 0) == 0)
                        return refused[i].instead;
        return NULL;
}

bool policy_shared(const char *directive) {
        static const char *const names[] = { "KillSignal", "ReloadSignal", "IOWeight", "MemoryHigh" };

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (streq(names[i], directive))
                        return true;
        return startswith(directive, "Limit") != NULL;
}

bool policy_references(const char *directive) {
        /* systemd.unit(5), the settings of [Unit] whose value is a list of units */
        static const char *const names[] = {
                "Wants",
                "Requires",
                "Requisite",
                "BindsTo",
                "PartOf",
                "Upholds",
                "Conflicts",
                "Before",
                "After",
                "OnFailure",
                "OnSuccess",
                "PropagatesReloadTo",
                "ReloadPropagatedFrom",
                "PropagatesStopTo",
                "StopPropagatedFrom",
        };

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (streq(names[i], directive))
                        return true;
        return false;
}

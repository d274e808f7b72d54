/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/manage/call.h"
#include "helper/manage/probe.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth doctor: what this host can do, what it lacks, and what helps. */

typedef struct Check {
        const char *name, *what;
        int (*probe)(const Probe *probe, const char *word, char **ret);
        const char *word;
        bool needed;
        const char *fix;
} Check;

#define UNIFIED "boot with systemd.unified_cgroup_hierarchy=1, without cgroup_no_v1= and cgroup_disable="

/* clang-format off */
static const Check checks[] = {
        { "root",              "this is root",                   probe_root, NULL, true,
          "run berth doctor as root" },
        { "kernel",            "Linux 6.1 or newer",             probe_kernel, "6.1", true,
          "install a newer kernel" },
        { "systemd",           "systemd 252 or newer",           probe_systemd, "252", true,
          "boot with systemd 252 or newer, with its bus" },
        { "cgroup2",           "the unified control group hierarchy", probe_cgroup, NULL, true, UNIFIED },
        { "user-namespaces",   "user ids of their own",          probe_user_namespaces, NULL, true,
          "sysctl user.max_user_namespaces=65536; or a kernel with CONFIG_USER_NS" },
        { "seccomp",           "filters of system calls",        probe_path, "/proc/sys/kernel/seccomp/actions_avail", true,
          "a kernel with CONFIG_SECCOMP_FILTER" },
        { "overlay",           "overlay file systems",           probe_file_system, "overlay", true,
          "a kernel with CONFIG_OVERLAY_FS" },
        { "id-maps",           "mapped ids where the data is",   probe_id_maps, NULL, true,
          "put /var/lib/berth on ext4, xfs or btrfs" },
        { "controller-cpu",    "limits on the processor",        probe_controller, "cpu", false, UNIFIED },
        { "controller-memory", "limits on memory",               probe_controller, "memory", false, UNIFIED },
        { "controller-pids",   "limits on tasks",                probe_controller, "pids", false, UNIFIED },
        { "controller-io",     "limits on input and output",     probe_controller, "io", false, UNIFIED },
        { "pressure",          "figures of pressure",            probe_path, "/proc/pressure/cpu", false,
          "boot with psi=1, or a kernel with CONFIG_PSI" },
        { "reflink",           "copies that share their blocks", probe_reflink, NULL, false,
          "put /var/lib/berth on xfs or btrfs; without, copies take time and space" },
        { "loop",              "loop devices, for disk images",  probe_path, "/dev/loop-control", false,
          "modprobe loop" },
        { "squashfs",          "images of squashfs",             probe_file_system, "squashfs", false,
          "a kernel with CONFIG_SQUASHFS" },
        { "erofs",             "images of erofs",                probe_file_system, "erofs", false,
          "a kernel with CONFIG_EROFS_FS" },
        { "nftables",          "nftables, for networks",         probe_nftables, NULL, false,
          "a kernel with CONFIG_NF_TABLES" },
        { "machined",          "entries of machinectl",          probe_bus_name, "org.freedesktop.machine1", false,
          "install systemd-container" },
        { "polkit",            "rights of users who are not root", probe_bus_name, "org.freedesktop.PolicyKit1", false,
          "install polkitd" },
        { "gate",              "a way in for them",              probe_unit, "berth.socket", false,
          "systemctl start berth.socket" },
        { "skopeo",            "images from registries",         probe_program, "skopeo", false, "install skopeo" },
        { "mkfs.ext4",         "limits on disk space",           probe_program, "mkfs.ext4", false, "install e2fsprogs" },
        { "project-quota",     "limits on disk space that can change", probe_project_quota, NULL, false,
          "xfs, or ext4 with tune2fs -O quota,project, mounted with prjquota; without, Disk= is a file system in a file" },
        { "dnsmasq",           "policies by name",               probe_program, "dnsmasq", false, "install dnsmasq-base" },
        { "firewalls",         "no other firewall",              probe_no_firewall, NULL, false,
          "see that its rules and those of containers do not contradict each other" },
        { "open-ports",        "no ports open on every address", probe_no_open_ports, NULL, false,
          "what listens there is reached from everywhere: ss -ltnp tells what it is" },
};
/* clang-format on */

/* What a check found. The words are the members of JSON. */
static const char *result_of(const Check *check, int r) {
        if (r > 0)
                return "ok";
        if (r < 0)
                return "unknown";
        return check->needed ? "missing" : "lacking";
}

static int add_row(const Check *check, int r, const char *detail, char ***cells) {
        _cleanup_free_ char *unknown = NULL;
        int added;

        if (r < 0) {
                if (asprintf(&unknown, "cannot be told: %s", strerror(-r)) < 0)
                        return -ENOMEM;
                detail = unknown;
        }
        added = strv_append(cells, check->name);
        if (added >= 0)
                added = strv_append(cells, result_of(check, r));
        if (added >= 0)
                added = strv_append(cells, check->what);
        if (added >= 0)
                added = r > 0 ? strv_append(cells, detail ? detail : "")
                              : strv_appendf(cells, "%s%s%s", detail ? detail : "", detail ? ": " : "",
                                             check->fix);
        return added;
}

static int add_object(const Check *check, int r, const char *detail, json_object *array) {
        json_object *object = json_object_new_object();

        if (json_append(array, object) < 0)
                return -ENOMEM;
        json_add_string(object, "check", check->name);
        json_add_string(object, "what", check->what);
        json_add_string(object, "result", result_of(check, r));
        json_object_object_add(object, "needed", json_object_new_boolean(check->needed));
        json_add_string(object, "detail", detail);
        json_add_string(object, "fix", r > 0 ? NULL : check->fix);
        return 0;
}

/* Is anything missing that is needed? 1, 0 or negative errno. */
static int examine(const Probe *probe, char ***cells, json_object *array) {
        int missing = 0;

        for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
                _cleanup_free_ char *detail = NULL;
                int r = checks[i].probe(probe, checks[i].word, &detail), added;

                missing |= r <= 0 && checks[i].needed;
                added = array ? add_object(&checks[i], r, detail, array)
                              : add_row(&checks[i], r, detail, cells);
                if (added < 0)
                        return added;
        }
        return missing;
}

static int open_data(Probe *probe) {
        static const char *const places[] = { BERTH_DATA_DIR, "/var/lib", "/" };

        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
                probe->data_path = places[i];
                probe->data_fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (probe->data_fd >= 0 || errno != ENOENT)
                        break;
        }
        return probe->data_fd;
}

int verb_doctor(int argc _unused_, char *argv[]) {
        static const char *const headings[] = { "CHECK", "RESULT", "WHAT", "DETAIL" };
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_json_ json_object *array = NULL;
        _cleanup_strv_ char **cells = NULL;
        _cleanup_call_ Call call = {};
        Probe probe = { .data_fd = -EBADF };
        int r;

        r = call_read("doctor", argv, 0, 0, &call);
        if (r >= 0)
                return r;
        if (call_has(&call, DOCTOR_JSON) && !(array = json_object_new_array()))
                return log_oom(), EXIT_FAILED;
        for (size_t i = 0; !call_has(&call, DOCTOR_NO_LEGEND) && i < ARRAY_LEN(headings); i++)
                if (strv_append(&cells, headings[i]) < 0)
                        return log_oom(), EXIT_FAILED;
        probe.bus = bus = bus_open();
        (void) open_data(&probe); /* the rows that need it tell */
        r = examine(&probe, &cells, array);
        close_fd(probe.data_fd);
        if (r < 0)
                return log_oom(), EXIT_FAILED;
        if (array)
                print_json(array);
        else
                print_table(cells, ARRAY_LEN(headings));
        return r > 0 ? EXIT_FAILED : EXIT_DONE;
}

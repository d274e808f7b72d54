/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/manifests.h"

#include "generator/rules.h"

/* The values of single keys, and what must hold between them. */

#define NETWORK   IMAGE "[Network]\n" /* the next line is 4 */
#define LIMITS    IMAGE "[Limits]\n"
#define MOUNT     IMAGE "[Mount m]\n"
#define CONTAINER IMAGE /* the next line is 3 */

/* A manifest and what the first value of a key of it is kept as. */
typedef struct Good {
        const char *text, *section, *key, *kept;
} Good;

static void check_good(const Good *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_manifest_ Manifest m = { 0 };
                const char *kept;

                parse(&m, rows[i].text);
                if (m.diags.n > 0)
                        fail_msg("row %zu: %s: %s", i, rows[i].text, m.diags.list[0].message);
                kept = store_text(m.store, rows[i].section, rows[i].key);
                if (!kept || !streq(kept, rows[i].kept))
                        fail_msg("row %zu: %s is kept as '%s', not '%s'", i, rows[i].key,
                                 kept ? kept : "(none)", rows[i].kept);
        }
}

/* clang-format off */
static void values_are_kept_in_one_spelling(void **state _unused_) {
        static const Good good[] = {
                { CONTAINER "UMask=077\n", "Container", "UMask", "0077" },
                { CONTAINER "UMask=0027\n", "Container", "UMask", "0027" },
                { CONTAINER "Timezone=Europe/Berlin\n", "Container", "Timezone", "Europe/Berlin" },
                { CONTAINER "Timezone=Etc/GMT+5\n", "Container", "Timezone", "Etc/GMT+5" },
                { CONTAINER "Timezone=local\n", "Container", "Timezone", "local" },
                { CONTAINER "SupplementaryGroups=  audio   44\n", "Container", "SupplementaryGroups", "audio 44" },
                { CONTAINER "Secret=db.password:env=PW  key\n", "Container", "Secret", "db.password:env=PW key" },
                { CONTAINER "Notify=on\n", "Container", "Notify", "yes" },
                { CONTAINER "Capability=CAP_NET_RAW CAP_SYS_NICE\n", "Container", "Capability", "CAP_NET_RAW CAP_SYS_NICE" },
                { CONTAINER "DropCapability=all\n", "Container", "DropCapability", "all" },
                { CONTAINER "SystemCallFilter=~@mount  reboot:EPERM ptrace:1 kexec_load:kill\n", "Container",
                  "SystemCallFilter", "~@mount reboot:EPERM ptrace:1 kexec_load:kill" },
                { CONTAINER "Device=/dev/fuse\n", "Container", "Device", "/dev/fuse rwm" },
                { CONTAINER "Device=/dev/dri/card0  rw\n", "Container", "Device", "/dev/dri/card0 rw" },
                { CONTAINER "Sysctl=net.ipv4.ip_local_port_range=1024 65535\n", "Container", "Sysctl",
                  "net.ipv4.ip_local_port_range=1024 65535" },
                { CONTAINER "Sysctl=net.ipv4.conf.%i.forwarding=1\n", "Container", "Sysctl",
                  "net.ipv4.conf.%i.forwarding=1" },
                { CONTAINER "Sysctl=kernel.shmmax=1\n", "Container", "Sysctl", "kernel.shmmax=1" },
                { CONTAINER "ShmSize=1.5M\n", "Container", "ShmSize", "1572864" },
                { CONTAINER "KillSignal=QUIT\n", "Container", "KillSignal", "SIGQUIT" },
                { CONTAINER "KillSignal=SIGRTMIN+3\n", "Container", "KillSignal", "SIGRTMIN+3" },
                { CONTAINER "StopTimeout=1min\n", "Container", "StopTimeout", "60000000" },
                { CONTAINER "AddHost=DB:10.0.0.1 six:[2001:DB8::1]\n", "Container", "AddHost", "db:10.0.0.1 six:2001:db8::1" },
                { CONTAINER "Label=a.b/c=x y  z=\n", "Container", "Label", "a.b/c=x y  z=" },
                { CONTAINER "LimitNOFILE=1024:4096\n", "Container", "LimitNOFILE", "1024:4096" },
                { CONTAINER "LimitFSIZE=1M\n", "Container", "LimitFSIZE", "1048576" },
                { CONTAINER "LimitCORE=0:infinity\n", "Container", "LimitCORE", "0:infinity" },
                { CONTAINER "LimitCPU=90s\n", "Container", "LimitCPU", "90" },
                { CONTAINER "LimitCPU=1500ms\n", "Container", "LimitCPU", "2" },
                { CONTAINER "LimitRTTIME=100\n", "Container", "LimitRTTIME", "100" },
                { CONTAINER "LimitRTTIME=100ms\n", "Container", "LimitRTTIME", "100000" },
                { CONTAINER "LimitNICE=-5\n", "Container", "LimitNICE", "25" },
                { CONTAINER "LimitNICE=+5\n", "Container", "LimitNICE", "15" },
                { CONTAINER "LimitNICE=40\n", "Container", "LimitNICE", "40" },
                { CONTAINER "InaccessiblePaths=-/a \"/b c\"\n", "Container", "InaccessiblePaths", "-/a \"/b c\"" },
                { "[Container]\nProfile=standard\nReadPath=/srv\n", "Container", "Profile", "standard" },
                { NETWORK "Mode=join:db\n", "Network", "Mode", "join:db" },
                { NETWORK "Mode=join:db@%i\n", "Network", "Mode", "join:db@%i" },
                { NETWORK "Publish=8080:80/tcp  [2001:DB8::1]:53:53/udp\n", "Network", "Publish",
                  "8080:80 [2001:db8::1]:53:53/udp" },
                { NETWORK "Publish=80%i:80\n", "Network", "Publish", "80%i:80" },
                { NETWORK "AllowDomain=Example.COM *.example.com\n", "Network", "AllowDomain", "example.com *.example.com" },
                { NETWORK "AllowCIDR=10.0.0.0/8 1.1.1.1\n", "Network", "AllowCIDR", "10.0.0.0/8 1.1.1.1/32" },
                { NETWORK "Allow=1.1.1.1:53/udp\n", "Network", "Allow", "1.1.1.1:53/udp" },
                { NETWORK "DNS=9.9.9.9 2620:FE::fe\n", "Network", "DNS", "9.9.9.9 2620:fe::fe" },
                { NETWORK "Link=db db2:5432\n", "Network", "Link", "db db2:5432" },
                { NETWORK "AllowHost=53 0123\n", "Network", "AllowHost", "53 123" },
                { NETWORK "Bandwidth=1.5M\n", "Network", "Bandwidth", "1500000" },
                { LIMITS "IORead=10M\n", "Limits", "IORead", "/var/lib/berth 10485760" },
                { LIMITS "IOWrite=/dev/sda 1\n", "Limits", "IOWrite", "/dev/sda 1" },
                { LIMITS "IOWeight=10000\n", "Limits", "IOWeight", "10000" },
        };

        check_good(good, ARRAY_LEN(good));
}

static void wrong_values_are_told(void **state _unused_) {
        static const Bad rows[] = {
                { CONTAINER "UMask=1777\n", 3, "UMask= is '1777': expected three or four octal" },
                { CONTAINER "UMask=u=rwx\n", 3, "UMask= is 'u=rwx': expected" },
                { CONTAINER "Timezone=../../etc/passwd\n", 3, "Timezone=: '../../etc/passwd' is no name of a time zone" },
                { CONTAINER "Timezone=/etc/localtime\n", 3, "Timezone=: '/etc/localtime' is no name" },
                { CONTAINER "Timezone=Europe/\n", 3, "Timezone=: 'Europe/' is no name" },
                { CONTAINER "SupplementaryGroups=a:b\n", 3, "SupplementaryGroups=: 'a:b': expected" },
                { CONTAINER "SupplementaryGroups=\"\"\n", 3, "SupplementaryGroups=: '': expected" },
                { CONTAINER "Secret=a/b\n", 3, "Secret=: 'a/b' does not begin with a name" },
                { CONTAINER "Secret=a:file=x\n", 3, "Secret=: 'a:file=x' has something else" },
                { CONTAINER "Secret=a:env=1x\n", 3, "Secret=: 'a:env=1x' does not end in a variable's name" },
                { CONTAINER "Notify=ready\n", 3, "Notify= is 'ready': expected yes, no or healthy" },
                { CONTAINER "Capability=NET_ADMIN\n", 3,
                  "Capability=: 'NET_ADMIN' is no capability of capabilities(7) (did you mean 'CAP_NET_ADMIN'?)" },
                { CONTAINER "Capability=CAP_ROOT\n", 3, "Capability=: 'CAP_ROOT' is no capability" },
                { CONTAINER "Capability=all\n", 3, "Capability=: 'all' is no capability" },
                { CONTAINER "DropCapability=CAP_CHOWN all\n", 3, "DropCapability=: 'all' is no capability" },
                { CONTAINER "NoNewPrivileges=ture\n", 3, "NoNewPrivileges= is 'ture': expected" },
                { CONTAINER "SystemCallFilter=@mont\n", 3, "SystemCallFilter=: '@mont' is no group of systemd.exec(5)" },
                { CONTAINER "SystemCallFilter=a ~b\n", 3, "SystemCallFilter=: '~b' has a '~'" },
                { CONTAINER "SystemCallFilter=~\n", 3, "SystemCallFilter= is '~': expected" },
                { CONTAINER "SystemCallFilter=Open\n", 3, "SystemCallFilter=: 'Open' is no name of a system call" },
                { CONTAINER "SystemCallFilter=open:EPERM\n", 3, "SystemCallFilter=: 'open:EPERM' allows calls, which have no error" },
                { CONTAINER "SystemCallFilter=open:EWHAT\n", 3, "SystemCallFilter=: 'open:EWHAT' has no error" },
                { CONTAINER "SystemCallFilter=open:4096\n", 3, "SystemCallFilter=: 'open:4096' has no error" },
                { CONTAINER "SeccompProfile=default.json\n", 3, "SeccompProfile=: 'default.json' is no absolute path" },
                { CONTAINER "AppArmorProfile=a b\n", 3, "AppArmorProfile=: 'a b' is no name" },
                { CONTAINER "Device=fuse\n", 3, "Device=: 'fuse' is no absolute path" },
                { CONTAINER "Device=/etc/passwd\n", 3, "Device=: '/etc/passwd' is no node below /dev" },
                { CONTAINER "Device=/dev/../etc/x\n", 3, "Device=: '/dev/../etc/x' has a component" },
                { CONTAINER "Device=/dev/\n", 3, "Device=: '/dev/' is no node" },
                { CONTAINER "Device=/dev/fuse rwx\n", 3, "Device=: 'rwx' is no access" },
                { CONTAINER "Device=/dev/fuse rr\n", 3, "Device=: 'rr' is no access" },
                { CONTAINER "Device=/dev/fuse rw m\n", 3, "Device= is '/dev/fuse rw m': expected" },
                { CONTAINER "Device=char-usb rw\n", 3, "Device=: 'char-usb' is a class of devices" },
                { CONTAINER "Device=\"/dev/a b\"\n", 3, "Device=: '/dev/a b' holds characters" },
                { CONTAINER "Sysctl=net.ipv4.ip_forward\n", 3, "Sysctl= is 'net.ipv4.ip_forward': expected KEY=VALUE" },
                { CONTAINER "Sysctl=kernel.panic=1\n", 3, "Sysctl=: 'kernel.panic' is the host's" },
                { CONTAINER "Sysctl=vm.overcommit_memory=1\n", 3, "Sysctl=: 'vm.overcommit_memory' is the host's" },
                { CONTAINER "Sysctl=net/ipv4/ip_forward=1\n", 3, "Sysctl=: 'net/ipv4/ip_forward=1' does not begin" },
                { CONTAINER "Sysctl=net..ip=1\n", 3, "Sysctl=: 'net..ip=1' does not begin" },
                { CONTAINER "Sysctl=net.ipv4.ip_forward=\n", 3, "Sysctl=: 'net.ipv4.ip_forward' is given no value" },
                { CONTAINER "ShmSize=0\n", 3, "ShmSize= is '0': expected a size above 0" },
                { CONTAINER "Tmpfs=tmp\n", 3, "Tmpfs=: 'tmp' is no absolute path" },
                { CONTAINER "Tmpfs=/tmp:size=lots\n", 3, "Tmpfs=: 'size=lots': expected" },
                { CONTAINER "Tmpfs=/tmp:exec\n", 3, "Tmpfs=: unknown option 'exec'" },
                { CONTAINER "Tmpfs=/\n", 3, "Tmpfs=: the target is '/'" },
                { CONTAINER "Tmpfs=/tmp\nTmpfs=/tmp/\n", 4, "the target '/tmp/' is taken by line 3" },
                { CONTAINER "InaccessiblePaths=+/a\n", 3, "InaccessiblePaths=: '+/a' begins with '+'" },
                { CONTAINER "ReadOnlyPaths=a\n", 3, "ReadOnlyPaths=: 'a' is no absolute path" },
                { CONTAINER "ReadOnlyPaths=/a/../b\n", 3, "ReadOnlyPaths=: '/a/../b' has a component" },
                { CONTAINER "LimitNOFILE=1K\n", 3, "LimitNOFILE= is '1K': expected" },
                { CONTAINER "LimitNOFILE=10:5\n", 3, "LimitNOFILE=: '10:5' has a soft limit above" },
                { CONTAINER "LimitNOFILE=10:\n", 3, "LimitNOFILE= is '10:': expected" },
                { CONTAINER "LimitNICE=-21\n", 3, "LimitNICE= is '-21': expected" },
                { CONTAINER "LimitNICE=+20\n", 3, "LimitNICE= is '+20': expected" },
                { CONTAINER "LimitNOFIL=5\n", 3, "unknown key 'LimitNOFIL' in [Container] (did you mean 'LimitNOFILE'?)" },
                { CONTAINER "ResolvConf=copy-uplink\n", 3, "ResolvConf= is 'copy-uplink': expected auto, off or copy-host" },
                { CONTAINER "AddHost=db\n", 3, "AddHost=: 'db' is not of the form" },
                { CONTAINER "AddHost=db:x\n", 3, "AddHost=: 'db:x' does not end in an address" },
                { CONTAINER "PidNamespace=shared\n", 3, "PidNamespace= is 'shared': expected private or host" },
                { CONTAINER "KillSignal=SIGSTUPID\n", 3, "KillSignal= is 'SIGSTUPID': expected a signal" },
                { CONTAINER "StopTimeout=0\n", 3, "StopTimeout= is '0': expected a time above 0" },
                { CONTAINER "ReloadExec=\"\"\n", 3, "ReloadExec= is '\"\"': expected a program" },
                { CONTAINER "Label=novalue\n", 3, "Label= is 'novalue': expected KEY=VALUE" },
                { CONTAINER "Label=a b=c\n", 3, "Label=: 'a b=c' does not begin with a label's key" },
                { "[Container]\nProfile=tiny\n", 2, "Profile= is 'tiny': expected minimal, standard or full" },
                { NETWORK "Publish=80\n", 4, "Publish=: '80' names one port only" },
                { NETWORK "Publish=80-81:80\n", 4, "Publish=: '80-81:80' has two ranges of different length" },
                { NETWORK "Publish=::1:80:80\n", 4, "Publish=: '::1:80:80' has an IPv6 address without brackets" },
                { NETWORK "Publish=127.0.0.1:53:53/udp\n", 4, "Publish=: '127.0.0.1:53:53/udp' publishes on a loopback" },
                { NETWORK "Policy=none\n", 4, "Policy= is 'none': expected allow-all, deny-all or custom" },
                { NETWORK "Default=drop\n", 4, "Default= is 'drop': expected allow or deny" },
                { NETWORK "AllowDomain=com\n", 4, "AllowDomain=: 'com' has one label only" },
                { NETWORK "AllowDomain=b\xc3\xbc" "cher.de\n", 4, "AllowDomain=: 'b\xc3\xbc" "cher.de' is not in ASCII" },
                { NETWORK "AllowCIDR=10.1.2.3/8\n", 4, "AllowCIDR=: '10.1.2.3/8' has bits set behind its length" },
                { NETWORK "DenyCIDR=10.0.0.0/33\n", 4, "DenyCIDR=: '10.0.0.0/33' has no length from 0 to 32" },
                { NETWORK "Allow=1.1.1.1:53\n", 4, "Allow=: '1.1.1.1:53' has no protocol" },
                { NETWORK "Protocol=tcp sctp\n", 4, "Protocol=: 'sctp' is no protocol that can be chosen" },
                { NETWORK "DNS=127.0.0.53\n", 4, "DNS=: '127.0.0.53' is a loopback address" },
                { NETWORK "DNS=dns.google\n", 4, "DNS=: 'dns.google' is no address" },
                { NETWORK "Link=d_b\n", 4, "Link=: 'd_b' does not begin with a container's name" },
                { NETWORK "Link=db:0\n", 4, "Link=: 'db:0' has no port" },
                { NETWORK "AllowHost=dns\n", 4, "AllowHost=: 'dns' is no port" },
                { NETWORK "Bandwidth=10Mbit\n", 4, "Bandwidth= is '10Mbit': expected bits a second" },
                { NETWORK "BandwidthUp=0\n", 4, "BandwidthUp= is '0': expected bits a second" },
                { NETWORK "Address=10.0.0.1/24\n", 4, "Address=: '10.0.0.1/24' is no address" },
                { NETWORK "Address=224.0.0.1\n", 4, "Address=: '224.0.0.1' is an address that no host can have" },
                { LIMITS "IOWeight=0\n", 4, "IOWeight= is '0': expected a number from 1 to 10000" },
                { LIMITS "IORead=/dev/sda\n", 4, "IORead= is '/dev/sda': expected [PATH] BYTES" },
                { LIMITS "IORead=sda 5M\n", 4, "IORead=: 'sda' is no absolute path" },
                { LIMITS "Disk=0\n", 4, "Disk= is '0': expected a size above 0" },
                { LIMITS "OpenFiles=0\n", 4, "OpenFiles= is '0': expected a number above 0" },
                { IMAGE "[Hooks]\nError=logger x\n", 4, "Error=: 'logger' is no absolute path" },
                { IMAGE "[Setup]\nExec=\"\"\n", 4, "Exec= is '\"\"': expected a program and words" },
                { MOUNT "Type=bind\nSource=/s\nTarget=/t\nSubpath=/x\n", 7, "Subpath=: '/x' is absolute" },
                { MOUNT "Type=bind\nSource=/s\nTarget=/t\nSubpath=a/../b\n", 7, "Subpath=: '/a/../b' has a component" },
                { MOUNT "Type=volume\nSource=s\nTarget=/t\nRecursive=yes\n", 7, "Recursive= has no meaning with Type=volume" },
                { MOUNT "Type=pointer\nSource=s\nTarget=/t\n", 5, "Source=: 's' names no container; write OTHER:VOLUME" },
                { MOUNT "Type=pointer\nSource=o:s\nTarget=/t\nCreate=yes\n", 7, "Create= has no meaning with Type=pointer" },
                { MOUNT "Type=assets\nSource=o:s\nTarget=/t\n", 5, "Source=: 'o:s' names a container" },
                { MOUNT "Type=assets\nSource=s\nTarget=/t\nReadOnly=no\n", 7, "ReadOnly=no: assets are always read-only" },
                { MOUNT "Type=backup\nSource=s\nTarget=/t\nFileType=file\n", 7, "FileType=file: the source is a directory" },
                { MOUNT "Type=backup\nSource=s\nTarget=/t\nOptions=size=1M\n", 7, "Options= has no meaning with Type=backup" },
                { MOUNT "Type=tmpfs\nTarget=/t\nSubpath=x\n", 6, "Subpath= has no meaning with Type=tmpfs" },
        };

        check_bad(rows, ARRAY_LEN(rows));
}

static void keys_that_contradict_each_other_are_told(void **state _unused_) {
        static const Bad rows[] = {
                { "[Container]\nExec=true\n", 0, "there is no Image= in [Container]" },
                { CONTAINER "Profile=full\n", 3, "Profile= and Image= on line 2 exclude each other" },
                { CONTAINER "ReadPath=/srv\n", 3, "ReadPath= is of Profile= only" },
                { CONTAINER "WritePath=/srv\n", 3, "WritePath= is of Profile= only" },
                { CONTAINER "Init=no\nPrivateUsers=no\nNotify=yes\n", 5, "Notify=yes with Init=no and PrivateUsers=no" },
                { CONTAINER "Notify=healthy\n", 3, "Notify=healthy waits for a health check" },
                { CONTAINER "Notify=yes\n[Service]\nType=oneshot\n", 3, "Notify=yes has no meaning with Type=oneshot" },
                { CONTAINER "SystemCallFilter=@mount\nSeccompProfile=/p\n", 4,
                  "SeccompProfile= and SystemCallFilter= on line 3 exclude" },
                { CONTAINER "ReloadSignal=HUP\nReloadExec=true\n", 4, "ReloadExec= and ReloadSignal= on line 3 exclude" },
                { CONTAINER "SharedRun=yes\nPrivateUsers=no\n", 3, "SharedRun= needs user ids of its own" },
                { CONTAINER "Capability=CAP_CHOWN\nDropCapability=CAP_CHOWN\n", 4,
                  "DropCapability=: CAP_CHOWN stands in Capability= on line 3" },
                { CONTAINER "AmbientCapability=CAP_NET_ADMIN\n", 3, "AmbientCapability=: the container does not have CAP_NET_ADMIN" },
                { CONTAINER "DropCapability=all\nAmbientCapability=CAP_CHOWN\n", 4,
                  "AmbientCapability=: the container does not have CAP_CHOWN" },
                { CONTAINER "Sysctl=net.ipv4.ip_forward=1\n[Network]\nMode=host\n", 3, "Sysctl=: 'net.ipv4.ip_forward=1' would change the host's" },
                { CONTAINER "Sysctl=net.ipv4.ip_forward=1\n[Network]\nMode=join:db\n", 3,
                  "Sysctl=: 'net.ipv4.ip_forward=1' would change the other container's" },
                { CONTAINER "Sysctl=kernel.shmmax=1\nIpcNamespace=host\n", 3, "Sysctl=: 'kernel.shmmax=1' would change the host's" },
                { CONTAINER "IpcNamespace=host\nShmSize=1M\n", 4, "ShmSize= has no meaning with IpcNamespace=host" },
                { CONTAINER "PidNamespace=host\nPrivateUsers=identity\n", 3, "PidNamespace= is 'host', which needs user ids of its own" },
                { CONTAINER "PidNamespace=host\nPrivateUsers=0:70000\n", 3, "PidNamespace= is 'host', which needs user ids of its own" },
                { CONTAINER "KillSignal=QUIT\n[Service]\nKillSignal=TERM\n", 5, "KillSignal= and KillSignal= of [Container] on line 3" },
                { CONTAINER "StopTimeout=5\n[Service]\nTimeoutStopSec=5\n", 5, "TimeoutStopSec= and StopTimeout= of [Container]" },
                { CONTAINER "LimitNOFILE=5\n[Limits]\nOpenFiles=5\n", 3, "LimitNOFILE= and OpenFiles= of [Limits] on line 5" },
                { LIMITS "OpenFiles=5\n[Service]\nLimitNOFILE=5\n", 6, "LimitNOFILE= and OpenFiles= of [Limits] on line 4" },
                { LIMITS "IOWeight=5\n[Service]\nIOWeight=5\n", 6, "IOWeight= and IOWeight= of [Limits] on line 4" },
                { IMAGE "[Setup]\nNetwork=yes\n", 4, "Network= of [Setup] has no meaning without Exec=" },
                { NETWORK "Mode=host\nPublish=80:80\n", 5, "Publish= has no meaning with Mode=host: the container's ports are the host's" },
                { NETWORK "Mode=host\nAllowCIDR=10.0.0.0/8\n", 5, "AllowCIDR= has no meaning with Mode=host" },
                { NETWORK "Mode=none\nPublish=80:80\n", 5, "Publish= has no meaning with Mode=none" },
                { NETWORK "Mode=join:db\nLink=x\n", 5, "Link= has no meaning with Mode=join:" },
                { NETWORK "Policy=deny-all\nAllowDomain=example.com\n", 5, "AllowDomain= has no meaning with Policy=deny-all" },
                { NETWORK "Policy=allow-all\nDenyCIDR=10.0.0.0/8\n", 5, "DenyCIDR= has no meaning with Policy=allow-all" },
                { NETWORK "Policy=allow-all\nDefault=deny\n", 5, "Default= is of Policy=custom only" },
                { NETWORK "Policy=custom\n", 4, "Policy= is 'custom', but nothing says what is allowed" },
                { NETWORK "Publish=80:80 80-90:80-90\n", 4, "Publish=: '80-90:80-90' takes a port of the host that line 4 has taken" },
                { NETWORK "Publish=80:80\nPublish=10.0.0.1:80:81\n", 5, "Publish=: '10.0.0.1:80:81' takes a port of the host that line 4" },
                { NETWORK "Address=10.0.0.1\nAddress=10.0.0.2\n", 5, "Address=: '10.0.0.2' is a second address of IPv4" },
                { NETWORK "IPv6=no\nAllowCIDR=10.0.0.0/8 2001:db8::/32\n", 5, "AllowCIDR=: '2001:db8::/32' is of IPv6" },
                { NETWORK "IPv6=no\nPublish=[2001:db8::1]:80:80\n", 5, "Publish=: '[2001:db8::1]:80:80' is of IPv6" },
        };

        check_bad(rows, ARRAY_LEN(rows));
}
/* clang-format on */

static void lists_make_a_policy_custom_that_denies_the_rest(void **state _unused_) {
        static const struct {
                const char *text, *policy, *otherwise;
        } rows[] = {
                { NETWORK, NULL, NULL },
                { NETWORK "Policy=deny-all\nPublish=80:80\n", "deny-all", NULL },
                { NETWORK "AllowDomain=example.com\n", "custom", "deny" },
                { NETWORK "Allow=1.1.1.1:53/udp\n", "custom", "deny" },
                { NETWORK "DenyCIDR=10.0.0.0/8\n", "custom", "allow" },
                { NETWORK "DenyCIDR=10.0.0.0/8\nDefault=deny\n", "custom", "deny" },
                { NETWORK "AllowCIDR=10.0.0.0/8\nDefault=allow\n", "custom", "allow" },
                { NETWORK "Policy=custom\nDefault=deny\n", "custom", "deny" },
                { NETWORK "Default=deny\n", "custom", "deny" },
                { NETWORK "AllowCIDR=10.0.0.0/8\nAllowCIDR=\n", NULL, NULL },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_manifest_ Manifest m = { 0 };
                const char *policy;

                parse(&m, rows[i].text);
                ROW(i, rows[i].text, m.diags.n == 0);
                policy = rules_policy(m.store);
                ROW(i, rows[i].text,
                    !policy == !rows[i].policy && (!policy || streq(policy, rows[i].policy)));
                ROW(i, rows[i].text, !rows[i].otherwise || streq(rules_default(m.store), rows[i].otherwise));
        }
}

RUN(TEST(values_are_kept_in_one_spelling), TEST(wrong_values_are_told),
    TEST(keys_that_contradict_each_other_are_told), TEST(lists_make_a_policy_custom_that_denies_the_rest))

"""What the tests stand on: Debian roots, a private systemd, a whole machine.

Tests import from here and touch none of it:

    roots     builds and caches Debian root directories
    system    what a test says to a machine, whichever kind it is
    machine   tier 3: systemd as PID 1 of private namespaces on this kernel
    qemu      tier 4: the same root under its own kernel
"""

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Images from registries: skopeo fetches them, if it is installed. */

/* Makes of source, "docker://...", the OCI layout that target names in skopeo's words, "oci:DIRECTORY:NAME". signal_fd as
 * of child_wait(). Logs. */
int image_fetch(const char *source, const char *target, int signal_fd);

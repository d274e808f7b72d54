/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What a fuzz target has: libFuzzer calls it, or fuzz-main.c with the files of its corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

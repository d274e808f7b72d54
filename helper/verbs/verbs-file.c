/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/verbs.h"

/* The words of "berth file". */

#define O(option) SUBVERB_OPTION(FILE_##option)
#define COMMON    (O(USER) | O(MAX_SIZE) | O(JSON))

/* clang-format off */
const Option file_options[] = {
        [FILE_LINES]       = { "lines", 0, "FROM[:TO]", "Only these lines, from 1 on" },
        [FILE_MODE]        = { "mode", 0, "MODE", "Permissions, octal; default: kept, of a new file 0644" },
        [FILE_USER]        = { "user", 'u', "USER", "With the rights of this user of the container" },
        [FILE_OLD]         = { "old", 0, "TEXT", "What stands there exactly once, repeatable" },
        [FILE_NEW]         = { "new", 0, "TEXT", "What takes its place, one for each --old=" },
        [FILE_AFTER]       = { "after", 0, "LINE", "Behind which line; 0: at the beginning" },
        [FILE_IGNORE_CASE] = { "ignore-case", 'i', NULL, "Take A to Z for a to z" },
        [FILE_GLOB]        = { "glob", 0, "GLOB", "Only files of such a name, or path below PATH" },
        [FILE_MAX]         = { "max", 0, "N", "At most so many matches; default: 200" },
        [FILE_MAX_SIZE]    = { "max-size", 0, "BYTES", "Refuse a file that is larger; default: 16M" },
        [FILE_FORCE]       = { "force", 'f', NULL, "Replace a file that is there" },
        [FILE_JSON]        = { "json", 0, NULL, "As JSON, errors too" },
        [_FILE_MAX]        = {},
};

const Subverb file_subverbs[] = {
        { "read", "NAME PATH", "Print a file, or lines of it", COMMON | O(LINES) },
        { "write", "NAME PATH", "Make standard input the content of a file", COMMON | O(MODE) },
        { "append", "NAME PATH", "Add standard input to the end of a file", COMMON | O(MODE) },
        { "replace", "NAME PATH", "Replace texts that stand in a file exactly once", COMMON | O(OLD) | O(NEW) },
        { "insert", "NAME PATH", "Add standard input behind a line of a file", COMMON | O(AFTER) },
        { "move", "NAME FROM TO", "Give a file or directory another name", COMMON | O(FORCE) },
        { "copy", "NAME FROM TO", "Copy a file", COMMON | O(FORCE) | O(MODE) },
        { "search", "NAME TEXT PATH", "Find a text in the lines of files",
          COMMON | O(IGNORE_CASE) | O(GLOB) | O(MAX) },
        { "list", "NAME [PATH]", "List a directory", COMMON },
        {},
};
/* clang-format on */

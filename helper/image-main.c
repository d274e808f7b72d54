/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/image-verbs.h"
#include "helper/verbs.h"

/* berth-image: the image store, apart from what must start fast and from what may not load libraries. "berth image"
 * executes it. */

#define OPTION(option) (1U << (option))

enum { NO_OPERAND, SOURCE, ID };

/* clang-format off */
static const struct ImageVerb {
        const char *name;
        const char *synopsis;
        const char *help;
        int operand;
        unsigned options;
        int (*run)(const ImageArguments *arguments);
} image_verbs[] = {
        { "import", "SOURCE [OPTION...]", "Make an image of a tar archive, a directory or an OCI image", SOURCE,
          OPTION(IMAGE_NAME) | OPTION(IMAGE_TAG) | OPTION(IMAGE_JSON) | OPTION(IMAGE_FORCE) |
          OPTION(IMAGE_MAX_SIZE) | OPTION(IMAGE_MAX_ENTRIES), image_import },
        { "list", "[OPTION...]", "List images", NO_OPERAND, OPTION(IMAGE_JSON) | OPTION(IMAGE_NO_LEGEND), image_list },
        { "inspect", "ID [OPTION...]", "Show an image", ID, OPTION(IMAGE_JSON), image_inspect },
        { "verify", "ID [OPTION...]", "Compare an image with what was imported", ID, OPTION(IMAGE_JSON), image_verify },
        { "remove", "ID [OPTION...]", "Remove an image", ID, OPTION(IMAGE_FORCE), image_remove },
        { "prune", "[OPTION...]", "Remove what was replaced and is not in use", NO_OPERAND,
          OPTION(IMAGE_ALL) | OPTION(IMAGE_JSON), image_prune },
};
/* clang-format on */

void image_print_json(json_object *object) {
        puts(json_object_to_json_string_ext(object,
                                            JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}

void image_add_string(json_object *object, const char *name, const char *s) {
        json_object_object_add(object, name, s ? json_object_new_string(s) : NULL);
}

static int help(void) {
        const Verb *verb = verb_find("image");

        printf("berth image %s\n\n%s.\n\n", verb->synopsis, verb->help);
        for (size_t i = 0; i < ARRAY_LEN(image_verbs); i++)
                printf("  %-8s %-20s %s\n", image_verbs[i].name, image_verbs[i].synopsis,
                       image_verbs[i].help);
        puts("");
        options_print(stdout, verb->options);
        puts("\nSee berth-image(1).");
        return EXIT_DONE;
}

static int help_of(const struct ImageVerb *verb) {
        Option options[_IMAGE_MAX + 1] = {};
        size_t n = 0;

        for (size_t i = 0; i < _IMAGE_MAX; i++)
                if (verb->options & OPTION(i))
                        options[n++] = image_options[i];
        printf("berth image %s %s\n\n%s.\n\n", verb->name, verb->synopsis, verb->help);
        options_print(stdout, options);
        return EXIT_DONE;
}

static int wrong_value(const char *option, const char *value) {
        return log_error_errno(EINVAL, "--%s=%s: not a number that it can be", option, value);
}

static int read_option(ImageOption option, const char *value, ImageArguments *arguments) {
        switch (option) {
        case IMAGE_NAME:
                arguments->name = value;
                return 0;
        case IMAGE_TAG:
                return strv_append(&arguments->tags, value) < 0 ? log_oom() : 0;
        case IMAGE_JSON:
                arguments->json = true;
                return 0;
        case IMAGE_NO_LEGEND:
                arguments->no_legend = true;
                return 0;
        case IMAGE_FORCE:
                arguments->force = true;
                return 0;
        case IMAGE_ALL:
                arguments->all = true;
                return 0;
        case IMAGE_MAX_SIZE:
                /* what a file's size can be at all */
                if (parse_size(value, &arguments->limits.bytes) < 0 || arguments->limits.bytes > INT64_MAX)
                        return wrong_value("max-size", value);
                return 0;
        case IMAGE_MAX_ENTRIES:
                return parse_uint64(value, &arguments->limits.entries) < 0
                                       ? wrong_value("max-entries", value)
                                       : 0;
        case _IMAGE_MAX:
                break;
        }
        return -EINVAL;
}

static int read_operand(const struct ImageVerb *verb, const char *value, ImageArguments *arguments) {
        if (verb->operand == NO_OPERAND)
                return log_error_errno(EINVAL, "image %s takes no operand: %s", verb->name, value);
        if (arguments->operand)
                return log_error_errno(EINVAL, "image %s takes one %s: %s", verb->name,
                                       verb->operand == SOURCE ? "source" : "image", value);
        arguments->operand = value;
        return 0;
}

static int run_verb(const struct ImageVerb *verb, char *argv[]) {
        OptionParser parser = { .options = image_options, .argv = argv };
        ImageArguments arguments = { .limits = { EXTRACT_ENTRIES_MAX, EXTRACT_BYTES_MAX } };
        const char *value;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == OPTIONS_HELP) {
                        strv_free(arguments.tags);
                        return help_of(verb);
                }
                if (r == OPTIONS_OPERAND)
                        r = read_operand(verb, value, &arguments);
                else if (r >= 0 && !(verb->options & OPTION(r)))
                        r = log_error_errno(EINVAL, "image %s takes no --%s", verb->name,
                                            image_options[r].name);
                else if (r >= 0)
                        r = read_option((ImageOption) r, value, &arguments);
                if (r < 0)
                        break;
        }
        if (r >= 0 && verb->operand != NO_OPERAND && !arguments.operand)
                r = log_error_errno(EINVAL, "image %s needs %s: berth image %s %s", verb->name,
                                    verb->operand == SOURCE ? "a source" : "an image", verb->name,
                                    verb->synopsis);
        r = r < 0 ? EXIT_USAGE : verb->run(&arguments);
        strv_free(arguments.tags);
        return r;
}

static int dispatch(int argc, char *argv[]) {
        const char *nearest;

        if (argc < 3) {
                log_error("image needs a verb, see berth image --help");
                return EXIT_USAGE;
        }
        if (streq(argv[2], "--help") || streq(argv[2], "-h"))
                return help();
        for (size_t i = 0; i < ARRAY_LEN(image_verbs); i++)
                if (streq(image_verbs[i].name, argv[2]))
                        return run_verb(&image_verbs[i], argv + 2);
        nearest = options_nearest(argv[2], image_verbs, ARRAY_LEN(image_verbs), sizeof(image_verbs[0]));
        if (nearest)
                log_error("unknown verb 'image %s' (did you mean '%s'?)", argv[2], nearest);
        else
                log_error("unknown verb 'image %s', see berth image --help", argv[2]);
        return EXIT_USAGE;
}

int main(int argc, char *argv[]) {
        int r;

        if (argc < 2 || !streq(argv[1], "image")) {
                log_error("berth-image is called by berth, see berth image --help");
                return EXIT_USAGE;
        }
        r = dispatch(argc, argv);
        /* A full disk must not look like a short list. */
        if (fflush(stdout) != 0 || ferror(stdout)) {
                log_error_errno(errno, "cannot write to standard output: %m");
                r = EXIT_FAILED;
        }
        return r;
}

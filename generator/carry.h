/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/network.h"
#include "generator/diag.h"
#include "generator/quadlet.h"
#include "generator/text.h"

/* A container of Quadlet to a manifest, and what could not be carried over. Pure: it reads units that are in memory
 * and gives text. The part above the line is what a caller needs; below are the words that the carry-*.c share. */

/* Converts the container q. *ret is the manifest, own text, or NULL if there is an error among the findings, to
 * which those of q's files are joined. 0 or -ENOMEM. */
int carry_container(const Quadlets *all, const Quadlet *q, char **ret, Findings *findings);

/* Says what becomes of a unit of another kind, which has no manifest of its own. 0 or -ENOMEM. */
int carry_other(const Quadlets *all, const Quadlet *q, Findings *findings);

/* ------------------------------------------------------------------------------------------------------------ */

typedef enum CarryOut { /* sections of a manifest, in the order in which they are written */
                        CARRY_UNIT,
                        CARRY_CONTAINER,
                        CARRY_MOUNTS,
                        CARRY_NETWORK,
                        CARRY_LIMITS,
                        CARRY_HEALTH,
                        CARRY_SERVICE,
                        CARRY_INSTALL,
                        _CARRY_OUT_MAX,
} CarryOut;

typedef struct CarryLine {
        char *text; /* a line or, of a mount, its section, with the ends of lines; owned; NULL: taken out */
        const QuadletSetting *s; /* where it is from */
} CarryLine;

typedef struct CarryLines {
        CarryLine *list;
        size_t n;
} CarryLines;

typedef struct CarryPort {
        NetPublish publish;
        const QuadletSetting *s;
} CarryPort;

/* One conversion. After running out of memory nothing is added any more, and the caller is told at the end. */
typedef struct Carry {
        const Quadlets *all;
        const Quadlet *q;     /* the container */
        const Quadlet *pod;   /* that it is in, or NULL */
        const Quadlet *first; /* the container that stands for that pod, perhaps q itself, or NULL */
        Findings *findings;
        CarryLines out[_CARRY_OUT_MAX];
        char **done;      /* "Section.Key" of what stands once */
        char **later;     /* the same of keys of which it was said that this version refuses them */
        char **targets;   /* of mounts, without slashes at the end */
        char **mounts;    /* names of [Mount NAME] */
        CarryPort *ports; /* that are published */
        size_t n_ports;
        bool failed; /* out of memory */
} Carry;

/* The section's name. */
const char *carry_section(CarryOut out);

/* Adds a line, which text holds and gives away. */
void carry_line(Carry *c, CarryOut out, const QuadletSetting *s, Text *text);
void carry_lines_done(CarryLines *lines);

/* Reads what there is as the generator will, and takes out what it does not take. 0 or -ENOMEM. */
int carry_check(Carry *c);

/* Adds all sections. */
void carry_body(const Carry *c, Text *t);

/* Adds a finding about a setting; NULL: about the file. */
void carry_say(Carry *c, FindingLevel level, const QuadletSetting *s, const char *format, ...)
                _printf_(4, 5);
#define carry_note(c, s, ...)    carry_say(c, FINDING_NOTE, s, __VA_ARGS__)
#define carry_warning(c, s, ...) carry_say(c, FINDING_WARNING, s, __VA_ARGS__)
#define carry_error(c, s, ...)   carry_say(c, FINDING_ERROR, s, __VA_ARGS__)

/* Adds KEY=VALUE to a section, if Berth takes it: what it does not take is told to be lost. s is where it is from. */
void carry_put(Carry *c, const QuadletSetting *s, CarryOut out, const char *key, const char *value);

/* The same for a value of the language that this version may refuse yet: it is written all the same. */
void carry_put_ahead(Carry *c, const QuadletSetting *s, CarryOut out, const char *key, const char *value);

/* Would our reader take the value back as it is? */
bool carry_one_line(const char *value);

/* Was the key put? */
bool carry_has(const Carry *c, CarryOut out, const char *key);

/* A string as it reaches podman's command line, as we write it: "$$" is "$", a wrong "%" is doubled. What systemd
 * would have replaced is told. Never NULL but when out of memory, which is kept. Owned by the caller. */
char *carry_text(Carry *c, const QuadletSetting *s, const char *text);

/* Splits the value into words, each through carry_text(). An unknown escape is taken as systemd takes it, literally,
 * and told; another error of quoting is an error of the file. NULL: none. Owned by the caller. */
char **carry_words(Carry *c, const QuadletSetting *s);

/* Adds a word to a line of words, quoted where it must be. */
void carry_word(Text *line, const char *word);

/* "./data" and "data" to an absolute path; what begins with "/" or a specifier is left as it is. */
char *carry_path(Carry *c, const QuadletSetting *s, const char *path);

/* "512m" to "512M": podman's sizes to ours. false if it is none. */
bool carry_size(const char *s, char ret[static 32]);

/* Turns a JSON array of strings into words; false if text is none. */
bool carry_json_words(Carry *c, const char *text, char ***ret);

/* Is the setting one of the pod's? */
bool carry_of_pod(const Carry *c, const QuadletSetting *s);

/* How [Unit] names the service of a container: "db.berth" if it is converted as well, else "db.service". Owned by
 * the caller; NULL when out of memory, which is kept. */
char *carry_reference(Carry *c, const Quadlet *container);

/* The rows: one for each key of Quadlet that a container or its pod can have, none for others. */
typedef struct CarryRow CarryRow;
struct CarryRow {
        unsigned groups; /* CARRY_IN_* */
        const char *key;
        bool list;
        void (*carry)(Carry *c, const QuadletSetting *s, const CarryRow *row);
        CarryOut out;     /* where it goes */
        const char *to;   /* what it is called there */
        const char *text; /* why it is not carried over, and what to do */
};
#define CARRY_IN_CONTAINER 1U
#define CARRY_IN_POD       2U

const CarryRow *carry_row(unsigned group, const char *key);

/* Is it a key of Quadlet's section of that kind at all? And, if it says so, why a key of .volume and .network cannot
 * be carried over; NULL: it can. */
bool carry_known(QuadletKind kind, const char *key, const char **ret_lost);

/* Rows that are more than their value, by subject. */
void carry_image(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_rootfs(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_user(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_user_namespace(Carry *c); /* all keys of it together */
void carry_volume(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_mount(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_tmpfs(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_read_only_tmpfs(Carry *c); /* what a read-only root gets beside */
void carry_network(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_publish(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_pod_member(Carry *c); /* what being in a pod means */
void carry_entrypoint(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_health_command(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_capabilities(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_device(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_seccomp(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_secret(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_ulimit(Carry *c, const QuadletSetting *s, const CarryRow *row);
void carry_arguments(Carry *c, const QuadletSetting *s, const CarryRow *row);

/* [Unit], [Service] and [Install] of a unit; of the pod, what its first container takes over. */
void carry_systemd(Carry *c, const QuadletSetting *s, bool pod);

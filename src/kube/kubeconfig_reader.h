/* Fields of kubeconfig stanzas: typed, with the place of each error. For kubeconfig.c and kubeconfig_user.c only. */
#ifndef KUBE_KUBECONFIG_READER_H
#define KUBE_KUBECONFIG_READER_H

#include "kube/access.h"
#include "wire/yaml.h"

/* One `cluster`, `user` or `context` map, and what its fields go into. Errors are sticky: check `failed` once at the end. */
struct stanza {
    const char *section, *member; /* "users", "user" */
    str name;
    const struct node *node;      /* NULL: nothing in it */
    str directory;                /* of the file that defined it: relative paths count from there */
    struct kube_access *access;
    const struct logger *logger;
    struct err *err;
    bool failed;
};

/* "FILE:LINE:COLUMN: users[NAME].user.FIELD: TEXT"; `at` NULL: the stanza's place. The first one stays. */
void stanza_refuse(struct stanza *s, const struct node *at, const char *field, const char *format, ...) PRINTF_LIKE(4, 5);
void stanza_warn(const struct stanza *s, const char *message);
const struct node *stanza_get(const struct stanza *s, const char *field); /* NULL if absent or null */
/* Text of a scalar, copied into the arena; empty if absent. */
str stanza_text(struct stanza *s, const struct node *from, const char *field);
bool stanza_bool(struct stanza *s, const struct node *from, const char *field);
/* As stanza_text, made relative to the directory of the file. */
str stanza_path(struct stanza *s, const char *field);
/* `field` (a path) and `field`-data (base64). */
struct pem_source stanza_pem(struct stanza *s, const char *field, const char *data_field);
/* The list there, checked; NULL if absent. */
const struct node *stanza_list(struct stanza *s, const struct node *from, const char *field);
/* One item of a list of texts. */
bool stanza_item_is_text(struct stanza *s, const struct node *item, const char *field);
str path_resolve(struct arena *a, str directory, str path);

/* Reads users[].user into s->access. */
void kubeconfig_read_user(struct stanza *s);

#endif

/*
 * Credentials as they are now: the Authorization header and the TLS material, kept up to date from files and exec plugins.
 * Checked when a request is about to be sent, never by a timer.
 */
#ifndef KUBE_CREDENTIALS_H
#define KUBE_CREDENTIALS_H

#include "base/list.h"
#include "kube/access.h"

/* How long what was read is taken for fresh. */
struct credential_periods {
    int64_t token_ns; /* files of tokens */
    int64_t tls_ns;   /* files of certificates and keys */
};
extern const struct credential_periods credential_periods_default;

struct credentials;
/* `access` must outlive it. Reads all files; err names the one that cannot be used. */
struct credentials *credentials_new(struct loop *loop, const struct logger *logger, const struct kube_access *access,
                                    const struct credential_periods *periods, struct err *err);
void credentials_free(struct credentials *c);

/* Somebody who waits for a plugin. `fn` comes from the loop, once; `err` NULL: use what is there now. */
struct credential_waiter {
    struct list link;
    void (*fn)(void *arg, const struct err *err);
    void *arg;
};
enum credential_state { CREDENTIAL_READY, CREDENTIAL_PENDING, CREDENTIAL_FAILED };
/* Before each request. PENDING: the waiter is called later; to stop waiting, list_remove its link. */
enum credential_state credentials_get(struct credentials *c, struct credential_waiter *waiter, struct err *err);

/* "Authorization: Bearer ...", or empty. Valid until the loop turns. */
str credentials_authorization(const struct credentials *c);
/* Goes up whenever header or client certificate change. */
uint64_t credentials_generation(const struct credentials *c);
/* After a 401 to a request of that generation: true if another credential is there or can be had, so sending again makes sense. */
bool credentials_renew(struct credentials *c, uint64_t used_generation);
/* After a connection failed: looks at the certificate files now. */
void credentials_check_tls(struct credentials *c);

/* Views, valid until the loop turns; the number goes up whenever they change. */
void credentials_tls(const struct credentials *c, struct http_tls *tls);
uint64_t credentials_tls_generation(const struct credentials *c);
/* From the claims of the token; empty if there are none. */
void credentials_pod(const struct credentials *c, str *name, str *uid);

#endif

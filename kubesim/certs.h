/* A certificate authority of its own and a server certificate for loopback, made at start. */
#ifndef KUBESIM_CERTS_H
#define KUBESIM_CERTS_H

#include "base/err.h"

struct certs {
    char *ca_pem, *cert_pem, *key_pem; /* heap */
};
/* Valid for localhost, 127.0.0.1, ::1 and `host` (a name or an address, without brackets; may be empty). */
NODISCARD bool certs_make(struct certs *c, str host, struct err *err);
void certs_deinit(struct certs *c);

#endif

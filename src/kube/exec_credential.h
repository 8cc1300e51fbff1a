/* What is said to an exec credential plugin, and what it answers. No process is started here. */
#ifndef KUBE_EXEC_CREDENTIAL_H
#define KUBE_EXEC_CREDENTIAL_H

#include "base/buf.h"
#include "kube/access.h"

struct exec_credential {
    str token;             /* empty: none */
    str cert_pem, key_pem; /* both or none */
    int64_t expires_ns;    /* since 1970; 0: not said */
};

/* The value of KUBERNETES_EXEC_INFO. `ca_pem`: contents of the CA file or data, empty for none. */
void exec_info_print(struct buf *b, const struct kube_access *access, str ca_pem);
/* Reads a plugin's output; texts live in the arena. err never holds any of it. */
NODISCARD bool exec_output_parse(struct exec_credential *out, struct arena *a, str api_version, str output, struct err *err);

#endif

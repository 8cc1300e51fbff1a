/* Checks PEM texts before they are used for connections, so that a bad file is named at start and never replaces a good one. */
#ifndef KUBE_PEM_H
#define KUBE_PEM_H

#include "base/err.h"

/* At least one certificate, and all that look like one can be read. */
NODISCARD bool pem_check_certificates(str pem, struct err *err);
/* The key can be read without a pass phrase and belongs to the first certificate. */
NODISCARD bool pem_check_pair(str cert_pem, str key_pem, struct err *err);

#endif

/* Client settings that the OTLP exporters share: TLS (configtls) and the pieces of configgrpc; only inside exporters/. */
#ifndef EXPORTERS_OTLP_CONFIG_H
#define EXPORTERS_OTLP_CONFIG_H

#include "config/config.h"
#include "io/http_client.h"

struct tls_client_config {
    str ca_file, ca_pem, cert_file, cert_pem, key_file, key_pem;
    bool include_system_ca_certs_pool;
    str min_version, max_version;
    struct config_strs cipher_suites, curve_preferences;
    bool include_insecure_cipher_suites;
    int64_t reload_interval_ns;
    bool insecure, insecure_skip_verify;
    str server_name_override;
    const struct node *tpm;
};
extern const struct config_schema tls_client_schema;

/* Reads the files into `store` (which then owns the texts of *tls); err names the file. */
NODISCARD bool tls_client_load(const struct tls_client_config *config, struct arena *store, struct http_tls *tls, struct err *err);
/* Changes with the content of any of the files. */
uint64_t tls_client_stamp(const struct tls_client_config *config);

#endif

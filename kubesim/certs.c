/*
 * Certificates for the simulator's TLS.
 *
 * Two keys (P-256): one signs itself as authority and then the server's certificate; it is thrown
 * away, so nobody can sign anything else with it. Clients get the authority's certificate through
 * the kubeconfig.
 *
 * Specification: RFC 5280; names as subjectAltName, since nothing else counts for clients.
 */
#include "kubesim/certs.h"

#include <arpa/inet.h>
#include <stdio.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { VALID_S = 10 * 365 * 86400, BEFORE_S = 3600 };

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = e != NULL && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool set_serial(X509 *cert)
{
    unsigned char bytes[15];
    BIGNUM *n = RAND_bytes(bytes, sizeof bytes) == 1 ? BN_bin2bn(bytes, sizeof bytes, NULL) : NULL;
    bool ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
    BN_free(n);
    return ok;
}

/* Everything but the extensions and the signature. */
static X509 *new_cert(EVP_PKEY *key, const char *name, X509 *issuer)
{
    X509 *cert = X509_new();
    if (cert == NULL)
        return NULL;
    X509_NAME *subject = X509_get_subject_name(cert);
    bool ok =
        X509_set_version(cert, 2) == 1 && set_serial(cert) &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                   -1, 0) == 1 &&
        X509_set_issuer_name(cert, issuer == NULL ? subject : X509_get_subject_name(issuer)) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -BEFORE_S) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(cert), VALID_S) != NULL &&
        X509_set_pubkey(cert, key) == 1;
    if (ok)
        return cert;
    X509_free(cert);
    return NULL;
}

static X509 *make_ca(EVP_PKEY *key)
{
    X509 *ca = new_cert(key, "kubesim-ca", NULL);
    if (ca != NULL && add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE") &&
        add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(ca, ca, NID_subject_key_identifier, "hash") &&
        X509_sign(ca, key, EVP_sha256()) > 0)
        return ca;
    X509_free(ca);
    return NULL;
}

static void alternative_names(char *out, size_t size, str host)
{
    unsigned char address[16];
    char name[256];
    snprintf(name, sizeof name, "%.*s", STR_ARG(host));
    bool is_address =
        inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    /* A comma would begin another entry. */
    bool usable = name[0] != '\0' && strpbrk(name, ",\n ") == NULL;
    snprintf(out, size, "DNS:localhost,IP:127.0.0.1,IP:::1%s%s",
             usable ? (is_address ? ",IP:" : ",DNS:") : "", usable ? name : "");
}

static X509 *make_server(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key, str host)
{
    char names[512];
    X509 *cert = new_cert(key, "kubesim", ca);
    alternative_names(names, sizeof names, host);
    if (cert != NULL && add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
        add_extension(cert, ca, NID_ext_key_usage, "serverAuth") &&
        add_extension(cert, ca, NID_authority_key_identifier, "keyid") &&
        add_extension(cert, ca, NID_subject_alt_name, names) &&
        X509_sign(cert, ca_key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return NULL;
}

/* The content of a memory BIO as text, which it frees. */
static char *take_text(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = str_dup(str_make(data, len > 0 ? (size_t)len : 0));
    BIO_free(bio);
    return text;
}

static char *cert_text(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL && PEM_write_bio_X509(bio, cert) == 1);
    return take_text(bio);
}

static char *key_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    return take_text(bio);
}

bool certs_make(struct certs *c, str host, struct err *err)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = ca_key == NULL ? NULL : make_ca(ca_key);
    X509 *cert = ca == NULL || key == NULL ? NULL : make_server(key, ca, ca_key, host);
    *c = (struct certs){0};
    if (cert != NULL) {
        c->ca_pem = cert_text(ca);
        c->cert_pem = cert_text(cert);
        c->key_pem = key_text(key);
    } else {
        char reason[256];
        ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
        err_set(err, "certificates cannot be made: %s", reason);
    }
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return c->ca_pem != NULL;
}

void certs_deinit(struct certs *c)
{
    mem_free(c->ca_pem);
    mem_free(c->cert_pem);
    mem_free(c->key_pem);
    *c = (struct certs){0};
}

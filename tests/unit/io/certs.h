/* Certificates for tests, made on the spot: two authorities, servers for names and addresses, a client. */
#ifndef TESTS_UNIT_IO_CERTS_H
#define TESTS_UNIT_IO_CERTS_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/base.h"

struct cert {
    EVP_PKEY *key;
    X509 *x509;
    char *cert_pem, *key_pem;
};

static inline char *cert_bio_text(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = str_dup(str_make(data, (size_t)len));
    BIO_free(bio);
    return text;
}

static inline void cert_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    CHECK(extension != NULL && X509_add_ext(x509, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* `names` as in "DNS:a,IP:127.0.0.1", NULL for an authority; signed by `issuer`, or by itself. */
static inline struct cert cert_make(const char *common_name, const char *names,
                                    const struct cert *issuer)
{
    static long serial = 1;
    struct cert c = {.key = EVP_EC_gen("P-256"), .x509 = X509_new()};
    X509 *signer = issuer == NULL ? c.x509 : issuer->x509;
    CHECK(X509_set_version(c.x509, 2) == 1);
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(c.x509), serial++) == 1);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), 3600);
    X509_NAME *name = X509_get_subject_name(c.x509);
    CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name,
                                     -1, -1, 0) == 1);
    CHECK(X509_set_issuer_name(c.x509, X509_get_subject_name(signer)) == 1);
    CHECK(X509_set_pubkey(c.x509, c.key) == 1);
    cert_extension(c.x509, signer, NID_basic_constraints,
                   issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (names != NULL)
        cert_extension(c.x509, signer, NID_subject_alt_name, names);
    CHECK(X509_sign(c.x509, issuer == NULL ? c.key : issuer->key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_X509(bio, c.x509) == 1);
    c.cert_pem = cert_bio_text(bio);
    bio = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_PrivateKey(bio, c.key, NULL, NULL, 0, NULL, NULL) == 1);
    c.key_pem = cert_bio_text(bio);
    return c;
}

static inline void cert_free(struct cert *c)
{
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
    mem_free(c->cert_pem);
    mem_free(c->key_pem);
}

#endif

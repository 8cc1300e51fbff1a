/*
 * PEM checks over OpenSSL.
 *
 * Why at all, when libcurl would complain as well: it complains at the first connection, without
 * the file's name; and a certificate that is just being rotated (new certificate, old key) must not
 * take the place of a pair that works.
 *
 * OpenSSL keeps errors in a queue of the thread; it is left empty here.
 */
#include "kube/pem.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static BIO *bio_from(str pem)
{
    BIO *bio = pem.len > INT_MAX ? NULL : BIO_new_mem_buf(pem.data, (int)pem.len);
    CHECK(pem.len > INT_MAX || bio != NULL);
    return bio;
}

/* Without this OpenSSL would ask on the terminal. */
static int no_pass_phrase(char *buffer, int size, int is_writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    *(bool *)arg = true;
    return -1;
}

static X509 *read_first_certificate(str pem)
{
    BIO *bio = pem.len == 0 ? NULL : bio_from(pem);
    if (bio == NULL)
        return NULL;
    X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return cert;
}

bool pem_check_certificates(str pem, struct err *err)
{
    BIO *bio = pem.len == 0 ? NULL : bio_from(pem);
    size_t count = 0;
    bool is_broken = false;
    while (bio != NULL && !is_broken) {
        X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
        if (cert == NULL) {
            is_broken = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
            break;
        }
        X509_free(cert);
        count++;
    }
    BIO_free(bio);
    ERR_clear_error();
    if (is_broken)
        return err_set(err, "certificate %zu in it cannot be read (PEM expected)", count + 1);
    if (count == 0)
        return err_set(err,
                       "no certificate in it (PEM, \"-----BEGIN CERTIFICATE-----\", expected)");
    return true;
}

static bool check_key(X509 *cert, str key_pem, struct err *err)
{
    bool is_encrypted = false;
    BIO *bio = key_pem.len == 0 ? NULL : bio_from(key_pem);
    EVP_PKEY *key =
        bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, &is_encrypted);
    BIO_free(bio);
    if (key == NULL)
        return err_set(err, is_encrypted
                                ? "the private key needs a pass phrase, which is not supported"
                                : "the private key cannot be read (PEM expected)");
    bool is_pair = X509_check_private_key(cert, key) == 1;
    EVP_PKEY_free(key);
    if (!is_pair)
        return err_set(err, "the private key does not belong to the certificate");
    return true;
}

bool pem_check_pair(str cert_pem, str key_pem, struct err *err)
{
    if (!pem_check_certificates(cert_pem, err))
        return err_wrap(err, "client certificate");
    X509 *cert = read_first_certificate(cert_pem);
    bool ok = cert != NULL && check_key(cert, key_pem, err);
    X509_free(cert);
    ERR_clear_error();
    return ok;
}

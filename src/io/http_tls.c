/*
 * TLS settings of HTTP connections.
 *
 * Life of a set: http_tls_set_new copies and checks the PEM texts (so that a bad file is an error
 * at start, not of every request) and looks up where the system keeps its root certificates; each
 * transfer holds a reference, because libcurl is given the texts without a copy.
 *
 * Which roots: with a CA of one's own only that one. libcurl would still look into its built-in
 * directory of the system's roots, so file and directory are always set, to NULL if need be. The
 * system's roots are best used as a hashed directory, from which OpenSSL loads only the certificate
 * that it needs; the one file with all of them costs 1 MiB of memory for each connection. As
 * with OpenSSL and Go, SSL_CERT_FILE and SSL_CERT_DIR override the places (the directory must be
 * hashed, see openssl-rehash).
 */
#include "io/http_tls.h"

#include <ctype.h>
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"
#include "io/file.h"

static const char *const roots_dirs[] = {"/etc/ssl/certs", "/etc/pki/tls/certs"};
static const char *const roots_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Alpine */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora */
    "/etc/ssl/ca-bundle.pem",                            /* SUSE */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* RHEL */
    "/etc/ssl/cert.pem",
};

/* -- places of the system's roots -- */

/* "5ed36f99.0" */
static bool is_hash_link(const char *name)
{
    for (int i = 0; i < 8; i++)
        if (!isxdigit((unsigned char)name[i]))
            return false;
    return name[8] == '.' && isdigit((unsigned char)name[9]);
}

static bool is_hashed_dir(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return false;
    bool found = false;
    for (const struct dirent *entry = readdir(dir); entry != NULL && !found; entry = readdir(dir))
        found = is_hash_link(entry->d_name);
    closedir(dir);
    return found;
}

static void find_roots(struct http_tls_set *set)
{
    str value;
    if (env_get("SSL_CERT_FILE", &value) && value.len > 0)
        set->roots_file = str_dup(value);
    if (env_get("SSL_CERT_DIR", &value) && value.len > 0)
        set->roots_dir = str_dup(value);
    for (size_t i = 0; i < COUNT_OF(roots_dirs) && set->roots_dir == NULL; i++)
        if (is_hashed_dir(roots_dirs[i]))
            set->roots_dir = str_dup(str_from(roots_dirs[i]));
    for (size_t i = 0; i < COUNT_OF(roots_files); i++)
        if (set->roots_dir == NULL && set->roots_file == NULL && access(roots_files[i], R_OK) == 0)
            set->roots_file = str_dup(str_from(roots_files[i]));
}

/* libcurl reads either a text or a file: with both wanted, the file's content goes into the text.
 */
static bool merge_roots_file(struct http_tls_set *set, struct err *err)
{
    struct buf all;
    buf_init(&all, LIMIT_HTTP_ROOTS_BYTES);
    buf_str(&all, str_make(set->ca_pem, set->ca_len));
    buf_byte(&all, '\n');
    if (!file_read(set->roots_file, &all, err)) {
        buf_deinit(&all);
        return err_wrap(err, "tls: the system's root certificates");
    }
    mem_free(set->ca_pem);
    set->ca_pem = buf_take(&all, &set->ca_len);
    mem_free(set->roots_file);
    set->roots_file = NULL;
    return true;
}

/* -- checks -- */

/* For an encrypted key: there is nobody who could be asked. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return -1;
}

static bool check_ca(str pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    CHECK(bio != NULL);
    STACK_OF(X509_INFO) *items = PEM_X509_INFO_read_bio(bio, NULL, no_password, NULL);
    int count = 0;
    for (int i = 0; items != NULL && i < sk_X509_INFO_num(items); i++)
        count += sk_X509_INFO_value(items, i)->x509 != NULL;
    sk_X509_INFO_pop_free(items, X509_INFO_free);
    BIO_free(bio);
    ERR_clear_error();
    return count > 0 ||
           err_set(err, "tls: the CA holds no certificate that can be read (PEM, \"-----BEGIN "
                        "CERTIFICATE-----\", is expected)");
}

static bool check_client_certificate(str cert_pem, str key_pem, struct err *err)
{
    if (cert_pem.len == 0 || key_pem.len == 0)
        return err_set(err, "tls: a client certificate and its key must be given together");
    BIO *cert_bio = BIO_new_mem_buf(cert_pem.data, (int)cert_pem.len);
    BIO *key_bio = BIO_new_mem_buf(key_pem.data, (int)key_pem.len);
    CHECK(cert_bio != NULL && key_bio != NULL);
    X509 *cert = PEM_read_bio_X509_AUX(cert_bio, NULL, no_password, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, no_password, NULL);
    bool ok = false;
    if (cert == NULL)
        err_set(err, "tls: the client certificate cannot be read (PEM is expected)");
    else if (key == NULL)
        err_set(err, "tls: the client key cannot be read (PEM without a password is expected)");
    else if (X509_check_private_key(cert, key) != 1)
        err_set(err, "tls: the client certificate and the client key do not belong together");
    else
        ok = true;
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    ERR_clear_error();
    return ok;
}

/* Index of "1.0" .. "1.3", or -1. */
static int version_index(str version)
{
    static const char *const names[] = {"1.0", "1.1", "1.2", "1.3"};
    for (int i = 0; i < (int)COUNT_OF(names); i++)
        if (str_eqz(version, names[i]))
            return i;
    return -1;
}

static bool parse_versions(struct http_tls_set *set, const struct http_tls *tls, struct err *err)
{
    static const long least[] = {CURL_SSLVERSION_TLSv1_0, CURL_SSLVERSION_TLSv1_1,
                                 CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_TLSv1_3};
    static const long most[] = {CURL_SSLVERSION_MAX_TLSv1_0, CURL_SSLVERSION_MAX_TLSv1_1,
                                CURL_SSLVERSION_MAX_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_3};
    int min =
        tls->min_version.len == 0 ? version_index(STR("1.2")) : version_index(tls->min_version);
    int max = tls->max_version.len == 0 ? (int)COUNT_OF(most) - 1 : version_index(tls->max_version);
    if (min < 0 || max < 0)
        return err_set(
            err, "tls: min_version and max_version must be \"1.0\", \"1.1\", \"1.2\" or \"1.3\"");
    if (min > max)
        return err_set(err, "tls: min_version is newer than max_version");
    set->curl_version = least[min] | most[max];
    set->weak = min < version_index(STR("1.2"));
    return true;
}

/* -- life -- */

static char *copy_pem(str pem, size_t *len)
{
    *len = pem.len;
    return pem.len == 0 ? NULL : str_dup(pem);
}

struct http_tls_set *http_tls_set_new(const struct http_tls *tls, struct err *err)
{
    struct http_tls_set *set = mem_zalloc(sizeof(*set));
    set->ref_count = 1;
    set->insecure_skip_verify = tls->insecure_skip_verify;
    bool ok = parse_versions(set, tls, err);
    if (tls->ca_pem.len > 0)
        ok = ok && check_ca(tls->ca_pem, err);
    if (tls->cert_pem.len > 0 || tls->key_pem.len > 0)
        ok = ok && check_client_certificate(tls->cert_pem, tls->key_pem, err);
    set->ca_pem = copy_pem(tls->ca_pem, &set->ca_len);
    set->cert_pem = copy_pem(tls->cert_pem, &set->cert_len);
    set->key_pem = copy_pem(tls->key_pem, &set->key_len);
    set->server_name = tls->server_name.len == 0 ? NULL : str_dup(tls->server_name);
    if (ok && !tls->insecure_skip_verify && (set->ca_pem == NULL || tls->system_roots_too)) {
        find_roots(set);
        if (set->ca_pem != NULL && set->roots_file != NULL)
            ok = merge_roots_file(set, err);
    }
    if (ok)
        return set;
    http_tls_set_unref(set);
    return NULL;
}

struct http_tls_set *http_tls_set_ref(struct http_tls_set *set)
{
    set->ref_count++;
    return set;
}

void http_tls_set_unref(struct http_tls_set *set)
{
    if (set == NULL || --set->ref_count > 0)
        return;
    if (set->key_pem != NULL)
        explicit_bzero(set->key_pem, set->key_len);
    mem_free(set->ca_pem);
    mem_free(set->cert_pem);
    mem_free(set->key_pem);
    mem_free(set->roots_file);
    mem_free(set->roots_dir);
    mem_free(set->server_name);
    mem_free(set);
}

/* -- for libcurl -- */

static struct curl_blob blob(char *data, size_t len)
{
    return (struct curl_blob){.data = data, .len = len, .flags = CURL_BLOB_NOCOPY};
}

void http_tls_set_apply(const struct http_tls_set *set, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, set->curl_version);
    if (set->weak) /* OpenSSL 3 refuses the hashes of TLS before 1.2 at its default level */
        curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0");
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, set->insecure_skip_verify ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, set->insecure_skip_verify ? 0L : 2L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, set->roots_file);
    curl_easy_setopt(easy, CURLOPT_CAPATH, set->roots_dir);
    /* Each transfer would keep sessions of its own, and none has a second connection. */
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    if (set->ca_pem != NULL) {
        struct curl_blob ca = blob(set->ca_pem, set->ca_len);
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
    }
    if (set->cert_pem != NULL) {
        struct curl_blob cert = blob(set->cert_pem, set->cert_len);
        struct curl_blob key = blob(set->key_pem, set->key_len);
        curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
    }
}

void http_tls_set_apply_proxy(const struct http_tls_set *set, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, set->curl_version);
    if (set->weak)
        curl_easy_setopt(easy, CURLOPT_PROXY_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0");
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, set->insecure_skip_verify ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, set->insecure_skip_verify ? 0L : 2L);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, set->roots_file);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, set->roots_dir);
    if (set->ca_pem != NULL) {
        struct curl_blob ca = blob(set->ca_pem, set->ca_len);
        curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO_BLOB, &ca);
    }
    if (set->cert_pem != NULL) {
        struct curl_blob cert = blob(set->cert_pem, set->cert_len);
        struct curl_blob key = blob(set->key_pem, set->key_len);
        curl_easy_setopt(easy, CURLOPT_PROXY_SSLCERT_BLOB, &cert);
        curl_easy_setopt(easy, CURLOPT_PROXY_SSLKEY_BLOB, &key);
    }
}

bool http_tls_is_http2(CURL *easy)
{
    const struct curl_tlssessioninfo *session = NULL;
    const unsigned char *protocol = NULL;
    unsigned len = 0;
    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || session == NULL ||
        session->backend != CURLSSLBACKEND_OPENSSL || session->internals == NULL)
        return false;
    SSL_get0_alpn_selected(session->internals, &protocol, &len);
    return str_eqz(str_make((const char *)protocol, len), "h2");
}

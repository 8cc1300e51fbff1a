/*
 * Fault rules: which requests go wrong, how, and how often.
 *
 * A rule is a JSON object; everything is optional:
 *   match            {method, path (a part of it), user, verb, resource, namespace, name}: all that
 *                    are given must fit; all but the path may be lists with commas
 *   times            how many requests it hits, then it is gone (default: all)
 *   skip             how many that fit are let through first
 *   probability      0 to 1, with `seed` for its own random numbers
 *   status           answer this instead; with reason, message, retry_after (seconds), or a whole
 *                    body and content_type; the request is executed only if `execute` is true
 *   delay_ms         before it is executed
 *   answer_delay_ms  between execution and answer
 *   cut              close the connection: "before" execution, "after" it without an answer, in the
 *                    "middle" of the answer
 *   hang             never answer: "before" or "after" execution (true means before)
 *   stall            (watches) the answer begins, but no event ever comes
 *   event_delay_ms   (watches) each event comes so much later
 *
 * Life of one: parsed and kept in order; for each request the first rule that fits and has its
 * number left is taken, and its effect is copied into the call, so that rules can be removed at any
 * time.
 */
#include "kubesim/sim.h"

#include <stdlib.h>

static const int64_t MS_NS = 1000000;

/* -- reading -- */

static bool read_text(const struct dom *d, char **out, struct err *err)
{
    if (d->type != DOM_STRING)
        return err_set(err, "fault: %.*s must be a string", STR_ARG(d->key));
    mem_free(*out);
    *out = str_dup(d->text);
    return true;
}

static bool read_number(const struct dom *d, int64_t max, int64_t *out, struct err *err)
{
    if (!dom_i64(d, out) || *out < 0 || *out > max)
        return err_set(err, "fault: %.*s must be a whole number from 0 to %" PRId64,
                       STR_ARG(d->key), max);
    return true;
}

static bool read_ms(const struct dom *d, int64_t *out_ns, struct err *err)
{
    if (!read_number(d, INT64_C(1000000000), out_ns, err))
        return false;
    *out_ns *= MS_NS;
    return true;
}

static bool read_point(const struct dom *d, bool middle, enum fault_point *out, struct err *err)
{
    if (d->type == DOM_TRUE || str_eqz(d->text, "before"))
        *out = FAULT_BEFORE;
    else if (str_eqz(d->text, "after"))
        *out = FAULT_AFTER;
    else if (middle && str_eqz(d->text, "middle"))
        *out = FAULT_MIDDLE;
    else
        return err_set(err, "fault: %.*s must be \"before\"%s or \"after\"", STR_ARG(d->key),
                       middle ? ", \"middle\"" : "");
    return true;
}

static bool read_bool(const struct dom *d, bool *out, struct err *err)
{
    *out = d->type == DOM_TRUE;
    return d->type == DOM_TRUE || d->type == DOM_FALSE ||
           err_set(err, "fault: %.*s must be true or false", STR_ARG(d->key));
}

static bool read_probability(const struct dom *d, double *out, struct err *err)
{
    char text[64];
    char *end;
    if (d->type == DOM_NUMBER && d->text.len < sizeof text) {
        memcpy(text, d->text.data, d->text.len);
        text[d->text.len] = '\0';
        *out = strtod(text, &end);
        if (*end == '\0' && *out >= 0 && *out <= 1)
            return true;
    }
    return err_set(err, "fault: probability must be a number from 0 to 1");
}

static bool read_match(struct sim_fault *f, const struct dom *match, struct err *err)
{
    struct {
        const char *name;
        char **out;
    } const fields[] = {{"method", &f->method},     {"path", &f->path},
                        {"user", &f->user},         {"verb", &f->verb},
                        {"resource", &f->resource}, {"namespace", &f->namespace},
                        {"name", &f->name}};
    if (match->type != DOM_OBJECT)
        return err_set(err, "fault: match must be an object");
    for (const struct dom *m = match->first; m != NULL; m = m->next) {
        size_t i = 0;
        while (i < COUNT_OF(fields) && !str_eqz(m->key, fields[i].name))
            i++;
        if (i == COUNT_OF(fields))
            return err_set(err, "fault: match knows no '%.*s'", STR_ARG(m->key));
        if (!read_text(m, fields[i].out, err))
            return false;
    }
    return true;
}

static bool read_status_member(struct sim_fault *f, const struct dom *m, bool *known,
                               struct err *err)
{
    int64_t status = 0;
    *known = true;
    if (str_eqz(m->key, "status")) {
        if (!read_number(m, 599, &status, err))
            return false;
        f->status = (int)status;
        return status == 0 || status >= 200 || err_set(err, "fault: status must be 200 to 599");
    }
    if (str_eqz(m->key, "reason"))
        return read_text(m, &f->reason, err);
    if (str_eqz(m->key, "message"))
        return read_text(m, &f->message, err);
    if (str_eqz(m->key, "body"))
        return read_text(m, &f->body, err);
    if (str_eqz(m->key, "content_type"))
        return read_text(m, &f->content_type, err);
    if (str_eqz(m->key, "retry_after"))
        return read_number(m, 1000000, &f->retry_after_s, err);
    if (str_eqz(m->key, "execute"))
        return read_bool(m, &f->execute, err);
    *known = false;
    return true;
}

static bool read_member(struct sim_fault *f, const struct dom *m, struct err *err)
{
    int64_t seed;
    bool known;
    if (!read_status_member(f, m, &known, err))
        return false;
    if (known)
        return true;
    if (str_eqz(m->key, "match"))
        return read_match(f, m, err);
    if (str_eqz(m->key, "times"))
        return read_number(m, INT32_MAX, &f->times, err);
    if (str_eqz(m->key, "skip"))
        return read_number(m, INT32_MAX, &f->skip, err);
    if (str_eqz(m->key, "probability"))
        return read_probability(m, &f->probability, err);
    if (str_eqz(m->key, "seed")) {
        bool ok = read_number(m, INT64_MAX, &seed, err);
        f->random_state = ok ? (uint64_t)seed : 0;
        return ok;
    }
    if (str_eqz(m->key, "delay_ms"))
        return read_ms(m, &f->delay_ns, err);
    if (str_eqz(m->key, "answer_delay_ms"))
        return read_ms(m, &f->answer_delay_ns, err);
    if (str_eqz(m->key, "event_delay_ms"))
        return read_ms(m, &f->event_delay_ns, err);
    if (str_eqz(m->key, "cut"))
        return read_point(m, true, &f->cut, err);
    if (str_eqz(m->key, "hang"))
        return read_point(m, false, &f->hang, err);
    if (str_eqz(m->key, "stall"))
        return read_bool(m, &f->stall, err);
    return err_set(err, "fault: there is no '%.*s'", STR_ARG(m->key));
}

static void fault_free(struct sim_fault *f)
{
    char *const texts[] = {f->json,   f->method,   f->path,      f->user,
                           f->verb,   f->resource, f->namespace, f->name,
                           f->reason, f->message,  f->body,      f->content_type};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        mem_free(texts[i]);
    mem_free(f);
}

bool kubesim_fault_add(struct kubesim *sim, str json, uint64_t *id, struct err *err)
{
    struct arena a;
    size_t count = 0;
    struct sim_fault *f = mem_zalloc(sizeof *f), **place = &sim->faults;
    f->times = -1;
    f->probability = 1;
    arena_init(&a, 4 * KIB);
    const struct dom *d = dom_parse(&a, json, err);
    bool ok = d != NULL;
    if (ok && d->type != DOM_OBJECT)
        ok = err_set(err, "fault: it must be a JSON object");
    for (const struct dom *m = ok ? d->first : NULL; m != NULL && ok; m = m->next)
        ok = read_member(f, m, err);
    arena_deinit(&a);
    for (; *place != NULL; place = &(*place)->next)
        count++;
    if (ok && count >= LIMIT_SIM_FAULTS)
        ok = err_set(err, "fault: there are %d already", LIMIT_SIM_FAULTS);
    if (!ok) {
        fault_free(f);
        return false;
    }
    f->json = str_dup(str_trim(json));
    f->id = *id = sim->next_fault_id++;
    *place = f;
    return true;
}

void faults_clear(struct kubesim *sim, uint64_t id)
{
    struct sim_fault **place = &sim->faults;
    while (*place != NULL) {
        struct sim_fault *f = *place;
        if (id == 0 || f->id == id) {
            *place = f->next;
            fault_free(f);
        } else {
            place = &f->next;
        }
    }
}

void faults_print(struct buf *b, const struct kubesim *sim)
{
    buf_byte(b, '[');
    for (const struct sim_fault *f = sim->faults; f != NULL; f = f->next)
        buf_printf(b,
                   "%s{\"id\":%" PRIu64 ",\"hits\":%" PRIu64 ",\"left\":%" PRId64 ",\"fault\":%s}",
                   f == sim->faults ? "" : ",", f->id, f->hits, f->times, f->json);
    buf_text(b, "]\n");
}

/* -- applying -- */

static bool fits(const char *wanted, str value)
{
    return wanted == NULL || name_in_list(wanted, value);
}

static bool matches(const struct sim_fault *f, const struct kubesim_call *call)
{
    const struct attributes *what = &call->attributes;
    size_t pos;
    return fits(f->method, str_from(call->request.method)) && fits(f->user, call->identity.user) &&
           fits(f->verb, str_from(what->verb)) && fits(f->resource, what->resource) &&
           fits(f->namespace, what->namespace) && fits(f->name, what->name) &&
           (f->path == NULL || str_find(call->request.path, str_from(f->path), &pos));
}

/* splitmix64: good enough for a coin, and the same everywhere. */
static double next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static bool strikes(struct sim_fault *f)
{
    if (f->times == 0)
        return false;
    if (f->skip > 0) {
        f->skip--;
        return false;
    }
    if (f->probability < 1 && next_random(&f->random_state) >= f->probability)
        return false;
    if (f->times > 0)
        f->times--;
    f->hits++;
    return true;
}

static char *copy_text(struct arena *a, const char *text)
{
    return text == NULL ? NULL : arena_cstr(a, str_from(text));
}

const struct sim_fault *fault_pick(struct kubesim_call *call)
{
    struct arena *a = &call->arena;
    for (struct sim_fault *f = call->sim->faults; f != NULL; f = f->next) {
        if (!matches(f, call) || !strikes(f))
            continue;
        struct sim_fault *copy = ARENA_NEW(a, struct sim_fault);
        *copy = *f;
        copy->next = NULL;
        copy->reason = copy_text(a, f->reason);
        copy->message = copy_text(a, f->message);
        copy->body = copy_text(a, f->body);
        copy->content_type = copy_text(a, f->content_type);
        return copy;
    }
    return NULL;
}

static const char *default_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{400, "BadRequest"},    {401, "Unauthorized"},
                   {403, "Forbidden"},     {404, "NotFound"},
                   {409, "Conflict"},      {410, "Expired"},
                   {422, "Invalid"},       {429, "TooManyRequests"},
                   {500, "InternalError"}, {503, "ServiceUnavailable"},
                   {504, "Timeout"}};
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return NULL;
}

void fault_answer(struct kubesim_call *call)
{
    const struct sim_fault *f = call->fault;
    struct status failure = {.code = f->status,
                             .reason = f->reason != NULL ? f->reason : default_reason(f->status),
                             .message = f->message != NULL ? str_from(f->message)
                                                           : STR("a fault rule says so"),
                             .retry_after_s = (int)f->retry_after_s};
    if (f->body == NULL) {
        answer_status(call, &failure);
        return;
    }
    answer_text(call, f->status,
                f->content_type != NULL ? f->content_type : "text/plain; charset=utf-8",
                str_from(f->body));
    call->head.retry_after_s = (int)f->retry_after_s;
}

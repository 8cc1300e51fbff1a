/*
 * Names a step of the election machine as the model does. What matters of an event is who holds the Lease by it, and whether it
 * is newer than what the machine knew.
 */
#include "tests/model/step_trace.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/base.h"

static const char *call_text(enum election_call call)
{
    static const char *const names[] = {"none", "get", "create", "claim", "renew", "release"};
    CHECK((size_t)call < COUNT_OF(names));
    return names[call];
}

static const char *kind_text(const struct election *before, const struct election_lease *lease,
                             const char *const names[5])
{
    enum { MINE, EDITED, OTHER, CLEARED, RELEASED };
    if (lease->holder == HOLDER_ME)
        return names[lease->duration_ns < before->config.duration_ns ? EDITED : MINE];
    if (lease->holder == HOLDER_TWIN && before->config.may_take_back)
        return names[RELEASED]; /* our own dead predecessor: free for us, at once */
    if (lease->holder != HOLDER_NONE)
        return names[OTHER];
    return names[lease->released || lease->pristine ? RELEASED : CLEARED];
}

static const char *seen_text(const struct election *before, const struct election_lease *lease)
{
    static const char *const names[] = {"seen-mine", "seen-edited", "seen-other", "seen-cleared",
                                        "seen-released"};
    if (before->seen && lease->version <= before->lease.version)
        return "seen-old";
    return kind_text(before, lease, names);
}

static const char *got_text(const struct election *before, const struct election_lease *lease)
{
    static const char *const names[] = {"got-mine", "got-edited", "got-other", "got-cleared",
                                        "got-released"};
    if (before->seen && lease->version < before->call_version)
        return "got-back"; /* a restored server: the model has none */
    if (before->seen && lease->version <= before->lease.version)
        return "got-old";
    return kind_text(before, lease, names);
}

static const char *done_text(const struct election *before, const struct election_event *event)
{
    bool is_read = before->call == CALL_GET;
    switch (event->outcome) {
    case CALL_OK:
        return is_read ? got_text(before, &event->lease) : "ok";
    case CALL_CONFLICT:
        return "conflict";
    case CALL_NOT_FOUND:
        return is_read ? "got-absent" : "not-found";
    case CALL_FORBIDDEN:
        return "forbidden";
    case CALL_REFUSED:
        return "refused";
    case CALL_UNKNOWN:
        return "unknown";
    }
    return "?";
}

static const char *event_text(const struct election *before, const struct election_event *event)
{
    switch (event->kind) {
    case EVENT_START:
        return "start";
    case EVENT_TIMER:
        return "timer";
    case EVENT_SEEN:
        return seen_text(before, &event->lease);
    case EVENT_ABSENT:
        return "absent";
    case EVENT_DELETED:
        return !before->seen || event->lease.version > before->lease.version ? "deleted"
                                                                             : "deleted-old";
    case EVENT_WATCH_UP:
        return "watch-up";
    case EVENT_WATCH_DOWN:
        return "watch-down";
    case EVENT_CALL_DONE:
        return done_text(before, event);
    case EVENT_STOP:
        return "stop";
    case EVENT_YIELD:
        return "yield";
    case EVENT_HOLD:
        return "hold";
    case EVENT_CAMPAIGN:
        return "campaign";
    case EVENT_REST:
        return "rest";
    case EVENT_PROVEN:
        return "proven";
    }
    return "?";
}

void step_trace_line(char *line, size_t size, uint64_t who, const struct election *before,
                     const struct election_event *event, const struct election *after,
                     enum election_call started, int64_t now_ns)
{
    static const char *const gates[] = {"closed", "open"};
    int len = snprintf(line, size, "step %" PRIu64 " %s %s %s %s -> %s %s %s\n", who,
                       election_state_name(before->state), call_text(before->call),
                       gates[election_may_act(before, now_ns)], event_text(before, event),
                       election_state_name(after->state), call_text(started),
                       gates[election_may_act(after, now_ns)]);
    CHECK(len > 0 && (size_t)len < size);
}

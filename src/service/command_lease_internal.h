/* Between command_lease.c and command_lease_yield.c, not for others. */
#ifndef SERVICE_COMMAND_LEASE_INTERNAL_H
#define SERVICE_COMMAND_LEASE_INTERNAL_H

#include "service/command_lease.h"
#include "service/lease_watcher.h"

struct lease_session;
enum yield_phase { YIELD_READING, YIELD_ASKING, YIELD_WAITING, YIELD_WITHDRAWING, YIELD_DONE };
/* One Lease of the command. */
struct lease_target {
    struct lease_session *session;
    struct kube_client *client;
    int64_t server_ahead_ns;
    struct lease_view view;
    struct lease_watcher main, standby;
    bool main_read, standby_read;
    char *line; /* the last one that --watch printed; NULL: none */

    /* yield */
    enum yield_phase phase;
    bool remembered;            /* the term that is asked, below */
    char *uid, *holder, *incarnation;
    int32_t transitions;
    int64_t asked_ns;           /* boot time */
    bool released;              /* it did its part */
    unsigned withdrawals;
    struct kube_call *call;
    struct loop_timer again_timer;
    enum lease_exit exit_status;
};
struct lease_session {
    const struct lease_request *request;
    const struct lease_output *output;
    struct loop *loop;
    struct arena arena;
    struct lease_target *targets;
    size_t count;
    struct loop_timer timer;    /* of yield */
    bool printed;               /* status: the first picture */
    enum lease_exit exit_status;
};
/* Ends the command; the worst status counts. */
void lease_session_worsen(struct lease_session *s, enum lease_exit status);
void lease_session_out(struct lease_session *s, struct buf *take_text);
void lease_session_error(struct lease_session *s, const char *format, ...) PRINTF_LIKE(2, 3);

/* command_lease_yield.c */
void yield_begin(struct lease_session *s);
void yield_end(struct lease_target *t);

#endif

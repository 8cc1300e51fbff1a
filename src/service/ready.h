/*
 * /ready and /live at the addresses that leader electors name (ready_endpoint): is this replica where a rollout may go on?
 */
#ifndef SERVICE_READY_H
#define SERVICE_READY_H

#include "base/buf.h"
#include "base/err.h"

struct service;
struct graph;
struct ready;
struct ready *ready_new(struct service *s);
void ready_free(struct ready *r); /* NULL: nothing */
/* Opens what the electors of `g` name and is not open yet. False: err says which cannot be had, and all is as before. */
NODISCARD bool ready_open(struct ready *r, const struct graph *g, struct err *err);
/* After ready_open: closes what those electors do not name; or, if they are not to be used after all, what it opened. */
void ready_commit(struct ready *r);
void ready_cancel(struct ready *r);
/* Closes everything. */
void ready_close(struct ready *r);

#endif

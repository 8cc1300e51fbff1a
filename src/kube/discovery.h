/*
 * What a server has in place of a resource that it does not serve: for the one line that says so. Two requests at most, then it is over.
 */
#ifndef KUBE_DISCOVERY_H
#define KUBE_DISCOVERY_H

#include "kube/client.h"

struct discovery;
/* Looks for the group, its versions and the resource in the version (or the one that the server prefers). `done` is called once, from the
 * loop, with a text such as `operator.example/v1 has no resource "telemetry"; did you mean "telemetries"?`, or with an empty one if the
 * server does not tell. Texts are copied. */
struct discovery *discovery_start(struct kube_client *client, str group, str version, str plural, void (*done)(void *arg, str offer),
                                  void *arg);
/* Before `done` only. */
void discovery_cancel(struct discovery *d);

#endif

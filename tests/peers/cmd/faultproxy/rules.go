package main

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// rule says which requests go wrong, how, and how often. The first rule that fits and is not used
// up is taken; all is optional.
type rule struct {
	Method string `json:"method"` // "PUT"; several with commas
	Path   string `json:"path"`   // a part of path and query
	Times  int    `json:"times"`  // so many requests, then it is used up; 0: all
	Skip   int    `json:"skip"`   // so many that fit go through first

	Status        int     `json:"status"`          // answered instead
	RetryAfter    int     `json:"retry_after"`     // seconds, with a status
	Execute       bool    `json:"execute"`         // with a status: the target gets the request all the same
	DelayMS       int     `json:"delay_ms"`        // before the target gets it
	AnswerDelayMS int     `json:"answer_delay_ms"` // between the target's answer and ours
	Cut           string  `json:"cut"`             // the connection: "before" the target, "after" it, in the "middle" of the answer
	Hang          string  `json:"hang"`            // no answer: "before" or "after" the target, until the client gives up
	Events        *events `json:"events"`          // of watches

	id, hits int
}

// events is what happens to the lines of a watch (events.go).
type events struct {
	DelayMS int  `json:"delay_ms"` // each comes so much later
	Silent  bool `json:"silent"`   // none comes any more
	Swap    bool `json:"swap"`     // of two changes in a row, the later one comes first
	Repeat  bool `json:"repeat"`   // each change comes twice
	Drop    int  `json:"drop"`     // of so many changes one is lost
}

type ruleHits struct {
	ID   int `json:"id"`
	Hits int `json:"hits"`
}

type rules struct {
	lock   sync.Mutex
	all    []*rule
	lastID int
	// Closed when the rules are taken away: requests that hang end then.
	cleared chan struct{}
}

func newRules() *rules { return &rules{cleared: make(chan struct{})} }

func (r *rules) add(next *rule) (int, error) {
	if !slices.Contains([]string{"", "before", "after", "middle"}, next.Cut) {
		return 0, errors.New("cut must be before, after or middle")
	}
	if !slices.Contains([]string{"", "before", "after"}, next.Hang) {
		return 0, errors.New("hang must be before or after")
	}
	if next.Status != 0 && (next.Status < 200 || next.Status > 599) {
		return 0, errors.New("status must be 200 to 599")
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	r.lastID++
	next.id = r.lastID
	r.all = append(r.all, next)
	return next.id, nil
}

func (r *rules) clear() {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.all = nil
	close(r.cleared)
	r.cleared = make(chan struct{})
}

func (r *rules) hits() []ruleHits {
	r.lock.Lock()
	defer r.lock.Unlock()
	var out []ruleHits
	for _, rule := range r.all {
		out = append(out, ruleHits{rule.id, rule.hits})
	}
	return out
}

// pick returns a copy of the rule for this request, an empty one if there is none, and what is
// closed when the rules are taken away.
func (r *rules) pick(request *http.Request) (rule, <-chan struct{}) {
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, rule := range r.all {
		if rule.Method != "" && !slices.Contains(strings.Split(rule.Method, ","), request.Method) ||
			!strings.Contains(request.URL.RequestURI(), rule.Path) || rule.Times > 0 && rule.hits >= rule.Times {
			continue
		}
		if rule.Skip > 0 {
			rule.Skip--
			continue
		}
		rule.hits++
		return *rule, r.cleared
	}
	return rule{}, r.cleared
}

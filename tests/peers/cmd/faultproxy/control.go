package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
)

// links are all links by name.
type links struct {
	lock   sync.Mutex
	byName map[string]*link
}

func newLinks() *links { return &links{byName: map[string]*link{}} }

type newLinkBody struct {
	Name   string `json:"name"`
	Target string `json:"target"` // HOST:PORT
	Web    bool   `json:"web"`
}

type linkAnswer struct {
	Address     string     `json:"address"`
	CA          string     `json:"ca,omitempty"` // of a web link, PEM
	Connections int        `json:"connections"`
	Accepted    int64      `json:"accepted"`
	BytesUp     int64      `json:"bytes_up"`
	BytesDown   int64      `json:"bytes_down"`
	Requests    int64      `json:"requests"` // web
	Rules       []ruleHits `json:"rules,omitempty"`
}

// controlHandler serves
//
//	POST   /links                     newLinkBody; answers linkAnswer
//	GET    /links/NAME                linkAnswer
//	DELETE /links/NAME
//	PUT    /links/NAME/state          state; what is left out is as if nothing were wrong
//	POST   /links/NAME/cut            {"how": "rst" | "fin" | "half"}; answers {"count": N}
//	PUT    /links/NAME/target         {"target": HOST:PORT}: where new connections go from now on
//	POST   /links/NAME/rules          rule (web.go); answers {"id": N}
//	DELETE /links/NAME/rules
//	POST   /links/NAME/certificate    {"new_ca": bool}; answers {"ca": PEM}
//
// An unknown member of a body is an error: a test that misspells a fault must not pass because of
// it.
func controlHandler(all *links) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /links", func(w http.ResponseWriter, r *http.Request) {
		var body newLinkBody
		if !decode(w, r, &body) {
			return
		}
		l, err := all.add(&body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, l.describe())
	})
	mux.HandleFunc("GET /links/{name}", all.with(func(_ *http.Request, l *link) (any, error) {
		return l.describe(), nil
	}))
	mux.HandleFunc("DELETE /links/{name}", all.with(func(_ *http.Request, l *link) (any, error) {
		all.remove(l)
		return struct{}{}, nil
	}))
	mux.HandleFunc("PUT /links/{name}/state", withBody(all, func(l *link, s *state) (any, error) {
		return struct{}{}, l.set(*s)
	}))
	mux.HandleFunc("POST /links/{name}/cut", withBody(all, func(l *link, b *struct {
		How string `json:"how"`
	}) (any, error) {
		n, err := l.cut(b.How)
		return map[string]int{"count": n}, err
	}))
	mux.HandleFunc("PUT /links/{name}/target", withBody(all, func(l *link, b *struct {
		Target string `json:"target"`
	}) (any, error) {
		return struct{}{}, l.redirect(b.Target)
	}))
	mux.HandleFunc("POST /links/{name}/rules", withBody(all, func(l *link, next *rule) (any, error) {
		if l.web == nil {
			return nil, fmt.Errorf("link %s passes bytes only: rules need a link with \"web\"", l.name)
		}
		id, err := l.web.rules.add(next)
		return map[string]int{"id": id}, err
	}))
	mux.HandleFunc("DELETE /links/{name}/rules", all.with(func(_ *http.Request, l *link) (any, error) {
		if l.web != nil {
			l.web.rules.clear()
		}
		return struct{}{}, nil
	}))
	mux.HandleFunc("POST /links/{name}/certificate", withBody(all, func(l *link, b *struct {
		NewCA bool `json:"new_ca"`
	}) (any, error) {
		if l.web == nil {
			return nil, fmt.Errorf("link %s has no certificate of its own", l.name)
		}
		ca, err := l.web.certificates.renew(b.NewCA)
		return map[string]string{"ca": ca}, err
	}))
	return mux
}

func (all *links) add(body *newLinkBody) (*link, error) {
	all.lock.Lock()
	defer all.lock.Unlock()
	if body.Name == "" || all.byName[body.Name] != nil {
		return nil, fmt.Errorf("a link needs a name of its own, %q is none", body.Name)
	}
	l, err := newLink(body.Name, body.Target, body.Web)
	if err == nil {
		all.byName[body.Name] = l
	}
	return l, err
}

func (all *links) remove(l *link) {
	all.lock.Lock()
	delete(all.byName, l.name)
	all.lock.Unlock()
	l.close()
}

func (l *link) describe() linkAnswer {
	l.lock.Lock()
	defer l.lock.Unlock()
	a := linkAnswer{Address: l.address, Connections: len(l.connections), Accepted: l.accepted.Load(),
		BytesUp: l.bytesUp.Load(), BytesDown: l.bytesDown.Load()}
	if l.web != nil {
		a.CA, a.Requests, a.Rules = l.web.certificates.ca(), l.web.requests.Load(), l.web.rules.hits()
	}
	return a
}

type linkAction func(r *http.Request, l *link) (any, error)

func (all *links) with(act linkAction) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		all.lock.Lock()
		l := all.byName[r.PathValue("name")]
		all.lock.Unlock()
		if l == nil {
			http.Error(w, "there is no link "+r.PathValue("name"), http.StatusNotFound)
			return
		}
		result, err := act(r, l)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, result)
	}
}

func withBody[B any](all *links, act func(l *link, body *B) (any, error)) http.HandlerFunc {
	return all.with(func(r *http.Request, l *link) (any, error) {
		var body B
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&body); err != nil {
			return nil, err
		}
		return act(l, &body)
	})
}

func decode(w http.ResponseWriter, r *http.Request, body any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"time"
)

// lines kept while events are late; a watch of a test has far fewer.
const linesMax = 4096

type line struct {
	text []byte
	due  time.Time
}

// pass sends the lines of a watch on, changed as the rule says. Only changes (MODIFIED) are
// swapped, repeated and dropped: the first state and bookmarks stay in their places.
func (e *events) pass(out io.Writer, flush func() error, in *http.Request, body io.Reader) {
	lines := make(chan line, linesMax)
	go e.read(body, lines)
	for l := range lines {
		pause(in, time.Until(l.due))
		if e.Silent {
			continue
		}
		if _, err := out.Write(l.text); err != nil {
			break
		}
		if flush() != nil {
			break
		}
	}
}

func (e *events) read(body io.Reader, lines chan<- line) {
	defer close(lines)
	reader := bufio.NewReader(body)
	var held []byte
	changes := 0
	put := func(text []byte) {
		lines <- line{text, time.Now().Add(time.Duration(e.DelayMS) * time.Millisecond)}
	}
	for {
		text, err := reader.ReadBytes('\n')
		if err != nil {
			return
		}
		if !bytes.Contains(text, []byte(`"type":"MODIFIED"`)) {
			put(text)
			continue
		}
		changes++
		if e.Drop > 0 && changes%e.Drop == 0 {
			continue
		}
		if e.Swap && held == nil {
			held = text
			continue
		}
		put(text)
		if e.Repeat {
			put(text)
		}
		if held != nil {
			put(held)
			held = nil
		}
	}
}

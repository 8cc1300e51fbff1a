package main

import (
	"encoding/json"
	"sort"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// Summary stands for the content of a request of many megabytes.
type Summary struct {
	Points   int           `json:"points"` // data points, log records or spans
	Min      uint64        `json:"min"`    // smallest timestamp
	Max      uint64        `json:"max"`
	Distinct []nameAndTime `json:"distinct"` // [name, timestamp], sorted
}

// nameAndTime is the name of a metric, log event or span, and a timestamp that occurs with it.
type nameAndTime struct {
	name string
	time uint64
}

func (n nameAndTime) MarshalJSON() ([]byte, error) { return json.Marshal([]any{n.name, n.time}) }

func summarize(request proto.Message) *Summary {
	s := &Summary{Distinct: []nameAndTime{}}
	seen := map[nameAndTime]struct{}{}
	visit(request, func(name string, time uint64) {
		if s.Points == 0 || time < s.Min {
			s.Min = time
		}
		s.Max = max(s.Max, time)
		s.Points++
		seen[nameAndTime{name, time}] = struct{}{}
	})
	for n := range seen {
		s.Distinct = append(s.Distinct, n)
	}
	sort.Slice(s.Distinct, func(i, j int) bool {
		a, b := s.Distinct[i], s.Distinct[j]
		return a.name < b.name || a.name == b.name && a.time < b.time
	})
	return s
}

func pointCount(request proto.Message) int {
	n := 0
	visit(request, func(string, uint64) { n++ })
	return n
}

func resourceCount(request proto.Message) int {
	switch r := request.(type) {
	case *colmetrics.ExportMetricsServiceRequest:
		return len(r.ResourceMetrics)
	case *collogs.ExportLogsServiceRequest:
		return len(r.ResourceLogs)
	case *coltrace.ExportTraceServiceRequest:
		return len(r.ResourceSpans)
	}
	return 0
}

// visit calls f for each data point, log record or span.
func visit(request proto.Message, f func(name string, time uint64)) {
	switch r := request.(type) {
	case *colmetrics.ExportMetricsServiceRequest:
		for _, rm := range r.ResourceMetrics {
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					visitPoints(m, f)
				}
			}
		}
	case *collogs.ExportLogsServiceRequest:
		for _, rl := range r.ResourceLogs {
			for _, sl := range rl.ScopeLogs {
				for _, l := range sl.LogRecords {
					f(l.EventName, l.TimeUnixNano)
				}
			}
		}
	case *coltrace.ExportTraceServiceRequest:
		for _, rs := range r.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					f(s.Name, s.StartTimeUnixNano)
				}
			}
		}
	}
}

func visitPoints(m *metrics.Metric, f func(name string, time uint64)) {
	switch d := m.Data.(type) {
	case *metrics.Metric_Gauge:
		each(m.Name, d.Gauge.DataPoints, f)
	case *metrics.Metric_Sum:
		each(m.Name, d.Sum.DataPoints, f)
	case *metrics.Metric_Histogram:
		each(m.Name, d.Histogram.DataPoints, f)
	case *metrics.Metric_ExponentialHistogram:
		each(m.Name, d.ExponentialHistogram.DataPoints, f)
	case *metrics.Metric_Summary:
		each(m.Name, d.Summary.DataPoints, f)
	}
}

func each[P interface{ GetTimeUnixNano() uint64 }](name string, points []P, f func(string, uint64)) {
	for _, p := range points {
		f(name, p.GetTimeUnixNano())
	}
}

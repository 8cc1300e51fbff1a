package main

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// record is one line of output. A refused call has neither resources nor summary.
type record struct {
	T         int64             `json:"t"`
	Peer      string            `json:"peer"`
	Remote    string            `json:"remote,omitempty"` // the client's address and port
	Signal    string            `json:"signal"`
	Bytes     int               `json:"bytes"`      // the message, decompressed
	WireBytes int               `json:"wire_bytes"` // the message as it was sent
	Encoding  string            `json:"encoding,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Refused   codes.Code        `json:"refused,omitempty"`   // status answered by a fault
	Partial   *partialFault     `json:"partial,omitempty"`   // partial success answered by a fault
	Resources any               `json:"resources,omitempty"` // []resourceJSON, their number with --summary
	*Summary
}

type resourceJSON struct {
	Attrs    attrs        `json:"attrs"`
	Schema   string       `json:"schema,omitempty"`
	Entities []entityJSON `json:"entities,omitempty"`
	Scopes   []scopeJSON  `json:"scopes"`
}

type entityJSON struct {
	Type        string   `json:"type"`
	ID          []string `json:"id"`          // keys of attributes
	Description []string `json:"description"` // keys of attributes
	Schema      string   `json:"schema,omitempty"`
}

type scopeJSON struct {
	Name    string       `json:"name"`
	Version string       `json:"version"`
	Schema  string       `json:"schema,omitempty"`
	Attrs   attrs        `json:"attrs,omitempty"`
	Metrics []metricJSON `json:"metrics,omitempty"`
	Logs    []logJSON    `json:"logs,omitempty"`
	Spans   []spanJSON   `json:"spans,omitempty"`
}

type metricJSON struct {
	Name        string      `json:"name"`
	Description string      `json:"description,omitempty"`
	Unit        string      `json:"unit"`
	Type        string      `json:"type"`
	Monotonic   bool        `json:"monotonic"`
	Temporality int32       `json:"temporality"`
	Points      []pointJSON `json:"points"`
}

type pointJSON struct {
	TS       uint64    `json:"ts"`
	Start    uint64    `json:"start"`
	Value    any       `json:"value,omitempty"`
	Kind     string    `json:"kind"`
	Flags    uint32    `json:"flags,omitempty"`
	Count    *uint64   `json:"count,omitempty"`
	Sum      *double   `json:"sum,omitempty"`
	Min      *double   `json:"min,omitempty"`
	Max      *double   `json:"max,omitempty"`
	Buckets  []uint64  `json:"buckets,omitempty"`
	Negative []uint64  `json:"negative,omitempty"`
	Bounds   []float64 `json:"bounds,omitempty"`
	Attrs    attrs     `json:"attrs"`
}

type logJSON struct {
	TS       uint64 `json:"ts"`
	Observed uint64 `json:"observed"`
	Severity int32  `json:"severity"`
	Text     string `json:"text"`
	Event    string `json:"event,omitempty"`
	Body     any    `json:"body"`
	Attrs    attrs  `json:"attrs"`
	Trace    string `json:"trace,omitempty"`
	Span     string `json:"span,omitempty"`
	Flags    uint32 `json:"flags,omitempty"`
}

type spanJSON struct {
	Name   string `json:"name"`
	Trace  string `json:"trace"`
	Span   string `json:"span"`
	Parent string `json:"parent,omitempty"`
	Kind   int32  `json:"kind"`
	Start  uint64 `json:"start"`
	End    uint64 `json:"end"`
	Attrs  attrs  `json:"attrs"`
}

type attrs map[string]any

// double prints with a point or an exponent, so that 1.0 is not mistaken for the integer 1, and
// as a string what JSON has no number for.
type double float64

func (d double) MarshalJSON() ([]byte, error) {
	f := float64(d)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.AppendQuote(nil, strconv.FormatFloat(f, 'g', -1, 64)), nil
	}
	text := strconv.AppendFloat(nil, f, 'g', -1, 64)
	for _, c := range text {
		if c == '.' || c == 'e' {
			return text, nil
		}
	}
	return append(text, ".0"...), nil
}

// integer is a number up to 2^53, which every JSON reader keeps exactly, and a string beyond.
func integer(v int64) any {
	if v > 1<<53 || v < -1<<53 {
		return strconv.FormatInt(v, 10)
	}
	return v
}

func optional(v *float64) *double { return (*double)(v) }

// toAttrs shows a key that occurs again, which is not allowed, as a key of its own.
func toAttrs(list []*common.KeyValue) attrs {
	out := make(attrs, len(list))
	for _, kv := range list {
		key := kv.Key
		for _, there := out[key]; there; _, there = out[key] {
			key += " (again)"
		}
		out[key] = toValue(kv.Value)
	}
	return out
}

func toValue(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return integer(v.IntValue)
	case *common.AnyValue_DoubleValue:
		return double(v.DoubleValue)
	case *common.AnyValue_ArrayValue:
		out := make([]any, 0, len(v.ArrayValue.GetValues()))
		for _, item := range v.ArrayValue.GetValues() {
			out = append(out, toValue(item))
		}
		return out
	case *common.AnyValue_KvlistValue:
		return toAttrs(v.KvlistValue.GetValues())
	case *common.AnyValue_BytesValue:
		return map[string]string{"bytes": base64.StdEncoding.EncodeToString(v.BytesValue)}
	}
	return nil
}

func content(request proto.Message) []resourceJSON {
	var out []resourceJSON
	switch r := request.(type) {
	case *colmetrics.ExportMetricsServiceRequest:
		for _, rm := range r.ResourceMetrics {
			item := toResource(rm.Resource, rm.SchemaUrl)
			for _, sm := range rm.ScopeMetrics {
				scope := toScope(sm.Scope, sm.SchemaUrl)
				for _, m := range sm.Metrics {
					scope.Metrics = append(scope.Metrics, toMetric(m))
				}
				item.Scopes = append(item.Scopes, scope)
			}
			out = append(out, item)
		}
	case *collogs.ExportLogsServiceRequest:
		for _, rl := range r.ResourceLogs {
			item := toResource(rl.Resource, rl.SchemaUrl)
			for _, sl := range rl.ScopeLogs {
				scope := toScope(sl.Scope, sl.SchemaUrl)
				for _, l := range sl.LogRecords {
					scope.Logs = append(scope.Logs, toLog(l))
				}
				item.Scopes = append(item.Scopes, scope)
			}
			out = append(out, item)
		}
	case *coltrace.ExportTraceServiceRequest:
		for _, rs := range r.ResourceSpans {
			item := toResource(rs.Resource, rs.SchemaUrl)
			for _, ss := range rs.ScopeSpans {
				scope := toScope(ss.Scope, ss.SchemaUrl)
				for _, s := range ss.Spans {
					scope.Spans = append(scope.Spans, toSpan(s))
				}
				item.Scopes = append(item.Scopes, scope)
			}
			out = append(out, item)
		}
	}
	return out
}

func toResource(r *resource.Resource, schema string) resourceJSON {
	out := resourceJSON{Attrs: toAttrs(r.GetAttributes()), Schema: schema, Scopes: []scopeJSON{}}
	for _, e := range r.GetEntityRefs() {
		out.Entities = append(out.Entities, entityJSON{Type: e.Type, ID: e.IdKeys, Description: e.DescriptionKeys, Schema: e.SchemaUrl})
	}
	return out
}

func toScope(s *common.InstrumentationScope, schema string) scopeJSON {
	return scopeJSON{Name: s.GetName(), Version: s.GetVersion(), Schema: schema, Attrs: toAttrs(s.GetAttributes())}
}

func toMetric(m *metrics.Metric) metricJSON {
	out := metricJSON{Name: m.Name, Description: m.Description, Unit: m.Unit, Points: []pointJSON{}}
	switch d := m.Data.(type) {
	case *metrics.Metric_Gauge:
		out.Type = "gauge"
		out.Points = numberPoints(d.Gauge.DataPoints)
	case *metrics.Metric_Sum:
		out.Type = "sum"
		out.Monotonic = d.Sum.IsMonotonic
		out.Temporality = int32(d.Sum.AggregationTemporality)
		out.Points = numberPoints(d.Sum.DataPoints)
	case *metrics.Metric_Histogram:
		out.Type = "histogram"
		out.Temporality = int32(d.Histogram.AggregationTemporality)
		for _, p := range d.Histogram.DataPoints {
			out.Points = append(out.Points, pointJSON{Kind: "histogram",
				TS: p.TimeUnixNano, Start: p.StartTimeUnixNano, Flags: p.Flags,
				Count: &p.Count, Sum: optional(p.Sum), Min: optional(p.Min), Max: optional(p.Max),
				Buckets: p.BucketCounts, Bounds: p.ExplicitBounds, Attrs: toAttrs(p.Attributes)})
		}
	case *metrics.Metric_ExponentialHistogram:
		out.Type = "exponential_histogram"
		out.Temporality = int32(d.ExponentialHistogram.AggregationTemporality)
		for _, p := range d.ExponentialHistogram.DataPoints {
			out.Points = append(out.Points, pointJSON{Kind: "exponential_histogram",
				TS: p.TimeUnixNano, Start: p.StartTimeUnixNano, Flags: p.Flags,
				Count: &p.Count, Sum: optional(p.Sum), Min: optional(p.Min), Max: optional(p.Max),
				Buckets: p.Positive.GetBucketCounts(), Negative: p.Negative.GetBucketCounts(),
				Attrs: toAttrs(p.Attributes)})
		}
	case *metrics.Metric_Summary:
		out.Type = "summary"
		for _, p := range d.Summary.DataPoints {
			out.Points = append(out.Points, pointJSON{Kind: "summary",
				TS: p.TimeUnixNano, Start: p.StartTimeUnixNano, Flags: p.Flags,
				Count: &p.Count, Sum: optional(&p.Sum), Attrs: toAttrs(p.Attributes)})
		}
	default:
		out.Type = "none"
	}
	return out
}

func numberPoints(points []*metrics.NumberDataPoint) []pointJSON {
	out := make([]pointJSON, 0, len(points))
	for _, p := range points {
		point := pointJSON{TS: p.TimeUnixNano, Start: p.StartTimeUnixNano, Flags: p.Flags,
			Kind: "none", Attrs: toAttrs(p.Attributes)}
		switch v := p.Value.(type) {
		case *metrics.NumberDataPoint_AsInt:
			point.Kind, point.Value = "int", integer(v.AsInt)
		case *metrics.NumberDataPoint_AsDouble:
			point.Kind, point.Value = "double", double(v.AsDouble)
		}
		out = append(out, point)
	}
	return out
}

func toLog(l *logs.LogRecord) logJSON {
	return logJSON{TS: l.TimeUnixNano, Observed: l.ObservedTimeUnixNano,
		Severity: int32(l.SeverityNumber), Text: l.SeverityText, Event: l.EventName,
		Body: toValue(l.Body), Attrs: toAttrs(l.Attributes),
		Trace: hex.EncodeToString(l.TraceId), Span: hex.EncodeToString(l.SpanId), Flags: l.Flags}
}

func toSpan(s *trace.Span) spanJSON {
	return spanJSON{Name: s.Name, Trace: hex.EncodeToString(s.TraceId),
		Span: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Kind: int32(s.Kind), Start: s.StartTimeUnixNano, End: s.EndTimeUnixNano,
		Attrs: toAttrs(s.Attributes)}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// sink is where all listeners' Export calls end.
type sink struct {
	summary, light bool
	faults         faults
	counts         counts

	writing sync.Mutex
	out     io.Writer
}

// export handles one call: it writes the line, waits and fails as the current fault says. It
// returns what the response shall report as rejected, nil for nothing.
//
// The line of a refused call has no content, so nobody counts its data as received. A call that
// is only delayed is written before the delay, like a destination that stores and then answers
// too late.
func (s *sink) export(ctx context.Context, peer, signal string, request proto.Message) (*partialFault, error) {
	r := record{T: time.Now().UnixNano(), Peer: peer, Signal: signal, Headers: headers(ctx)}
	if info := infoFrom(ctx); info != nil {
		r.Remote, r.Encoding, r.Bytes, r.WireBytes = info.remote, info.encoding, info.bytes, info.wireBytes
	} else {
		r.Bytes = proto.Size(request)
	}
	fault := s.faults.take(peer, signal)
	switch {
	case fault != nil && fault.Code != 0:
		r.Refused = fault.Code
	case s.light:
		r.Headers = nil
		r.Resources, r.Summary = summarizeLight(request)
	case s.summary:
		r.Headers, r.Resources, r.Summary = nil, resourceCount(request), summarize(request)
	default:
		r.Resources = content(request)
	}
	if fault != nil && fault.Code == 0 {
		r.Partial = fault.Partial
	}
	if err := s.write(&r); err != nil {
		return nil, status.Errorf(codes.Internal, "otlpsink: %v", err)
	}
	points := 0
	if r.Summary != nil {
		points = r.Summary.Points
	} else {
		points = pointCount(request)
	}
	s.counts.addExport(signal, r.Refused != 0, points)
	if fault == nil {
		return nil, nil
	}
	select {
	case <-time.After(time.Duration(fault.DelayMS) * time.Millisecond):
	case <-ctx.Done():
	}
	return r.Partial, fault.err()
}

// write appends the line with one write, so that it is in the file when the client has its answer.
func (s *sink) write(r *record) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.out.Write(line.Bytes())
	return err
}

func headers(ctx context.Context) map[string]string {
	md, _ := metadata.FromIncomingContext(ctx)
	out := make(map[string]string, len(md))
	for name, values := range md {
		if !strings.HasPrefix(name, ":") {
			out[name] = strings.Join(values, ", ")
		}
	}
	return out
}

type metricsService struct {
	colmetrics.UnimplementedMetricsServiceServer
	sink *sink
	peer string
}

func (m *metricsService) Export(ctx context.Context, in *colmetrics.ExportMetricsServiceRequest) (*colmetrics.ExportMetricsServiceResponse, error) {
	p, err := m.sink.export(ctx, m.peer, "metrics", in)
	out := &colmetrics.ExportMetricsServiceResponse{}
	if p != nil {
		out.PartialSuccess = &colmetrics.ExportMetricsPartialSuccess{
			RejectedDataPoints: p.Rejected, ErrorMessage: p.Message}
	}
	return out, err
}

type logsService struct {
	collogs.UnimplementedLogsServiceServer
	sink *sink
	peer string
}

func (l *logsService) Export(ctx context.Context, in *collogs.ExportLogsServiceRequest) (*collogs.ExportLogsServiceResponse, error) {
	p, err := l.sink.export(ctx, l.peer, "logs", in)
	out := &collogs.ExportLogsServiceResponse{}
	if p != nil {
		out.PartialSuccess = &collogs.ExportLogsPartialSuccess{
			RejectedLogRecords: p.Rejected, ErrorMessage: p.Message}
	}
	return out, err
}

type traceService struct {
	coltrace.UnimplementedTraceServiceServer
	sink *sink
	peer string
}

func (t *traceService) Export(ctx context.Context, in *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	p, err := t.sink.export(ctx, t.peer, "traces", in)
	out := &coltrace.ExportTraceServiceResponse{}
	if p != nil {
		out.PartialSuccess = &coltrace.ExportTracePartialSuccess{
			RejectedSpans: p.Rejected, ErrorMessage: p.Message}
	}
	return out, err
}

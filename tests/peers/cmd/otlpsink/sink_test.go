package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func request() *colmetrics.ExportMetricsServiceRequest {
	point := func(ts uint64, v any) *metrics.NumberDataPoint {
		p := &metrics.NumberDataPoint{TimeUnixNano: ts, Attributes: []*common.KeyValue{{
			Key: "one", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 1}}}}}
		switch v := v.(type) {
		case int64:
			p.Value = &metrics.NumberDataPoint_AsInt{AsInt: v}
		case float64:
			p.Value = &metrics.NumberDataPoint_AsDouble{AsDouble: v}
		}
		return p
	}
	return &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
		SchemaUrl: "s",
		ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{
			{Name: "a", Unit: "1", Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{
				DataPoints: []*metrics.NumberDataPoint{
					point(7, int64(0)), point(7, int64(1)<<60), point(8, math.NaN()), point(9, 2.5)}}}},
			{Name: "b", Data: &metrics.Metric_Sum{Sum: &metrics.Sum{
				IsMonotonic: true, AggregationTemporality: 2,
				DataPoints: []*metrics.NumberDataPoint{point(5, int64(3))}}}},
		}}},
	}}}
}

func startSink(t *testing.T, summary bool) (*sink, *bytes.Buffer, colmetrics.MetricsServiceClient) {
	var out bytes.Buffer
	s := &sink{out: &out, summary: summary}
	server := newServer(s, "p", insecure.NewCredentials(), 4<<20)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return s, &out, colmetrics.NewMetricsServiceClient(conn)
}

func TestContent(t *testing.T) {
	for _, encoding := range []string{"identity", "gzip", "zstd"} {
		_, out, client := startSink(t, false)
		if _, err := client.Export(context.Background(), request(), grpc.UseCompressor(encoding)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`"signal":"metrics"`, `"encoding":"` + encoding + `"`, `"schema":"s"`,
			`{"name":"a","unit":"1","type":"gauge","monotonic":false,"temporality":0,"points":[` +
				`{"ts":7,"start":0,"value":0,"kind":"int","attrs":{"one":1.0}},` +
				`{"ts":7,"start":0,"value":"1152921504606846976","kind":"int","attrs":{"one":1.0}},` +
				`{"ts":8,"start":0,"value":"NaN","kind":"double","attrs":{"one":1.0}},` +
				`{"ts":9,"start":0,"value":2.5,"kind":"double","attrs":{"one":1.0}}]}`,
			`"type":"sum","monotonic":true,"temporality":2`,
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %s in %s", encoding, want, out)
			}
		}
	}
}

func TestResource(t *testing.T) {
	_, out, client := startSink(t, false)
	r := request()
	r.ResourceMetrics[0].Resource = &resource.Resource{
		Attributes: []*common.KeyValue{{Key: "uid", Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "a"}}}, {Key: "uid"}},
		EntityRefs: []*common.EntityRef{{Type: "k8s.pod", IdKeys: []string{"uid"}, DescriptionKeys: []string{"name"}}},
	}
	if _, err := client.Export(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"attrs":{"uid":"a","uid (again)":null}`,
		`"entities":[{"type":"k8s.pod","id":["uid"],"description":["name"]}]`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
}

func TestSummary(t *testing.T) {
	_, out, client := startSink(t, true)
	if _, err := client.Export(context.Background(), request()); err != nil {
		t.Fatal(err)
	}
	want := `"resources":1,"points":5,"min":5,"max":9,"distinct":[["a",7],["a",8],["a",9],["b",5]]}` + "\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %s", out)
	}
}

func TestFaults(t *testing.T) {
	s, out, client := startSink(t, false)
	control := httptest.NewServer(controlHandler(s))
	defer control.Close()
	post := func(path, body string) {
		r, err := control.Client().Post(control.URL+path, "application/json", strings.NewReader(body))
		if err != nil || r.StatusCode != 200 {
			t.Fatal(path, err, r)
		}
		r.Body.Close()
	}
	ctx := context.Background()

	post("/fault", `{"code":14,"message":"x","retry_delay_ms":1500,"times":2}`)
	for range 2 {
		_, err := client.Export(ctx, request())
		st := status.Convert(err)
		if st.Code() != codes.Unavailable || st.Message() != "x" || len(st.Details()) != 1 ||
			st.Details()[0].(*errdetails.RetryInfo).RetryDelay.AsDuration().Milliseconds() != 1500 {
			t.Error(st)
		}
	}
	if strings.Contains(out.String(), "resources") || !strings.Contains(out.String(), `"refused":14`) {
		t.Errorf("refused call written as %s", out)
	}
	post("/fault", `{"partial":{"rejected":3,"message":"bad"},"signal":"metrics"}`)
	if answer, err := client.Export(ctx, request()); err != nil ||
		answer.PartialSuccess.GetRejectedDataPoints() != 3 || answer.PartialSuccess.GetErrorMessage() != "bad" {
		t.Error(answer, err)
	}
	post("/fault", `{"code":3,"times":-1}`)
	if _, err := client.Export(ctx, request()); status.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
	post("/clear", "")
	if answer, err := client.Export(ctx, request()); err != nil || answer.PartialSuccess != nil {
		t.Error(answer, err)
	}

	r, err := control.Client().Get(control.URL + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var got counted
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Connections != 1 || got.Exports["metrics"] != 2 || got.Refused != 3 || got.Points != 10 ||
		got.Errors["Unavailable"] != 2 {
		t.Errorf("%+v", got)
	}
}

// What is counted without decoding is what is counted after it.
func TestLight(t *testing.T) {
	encoded, err := proto.Marshal(request())
	if err != nil {
		t.Fatal(err)
	}
	raw := &colmetrics.ExportMetricsServiceRequest{}
	raw.ProtoReflect().SetUnknown(encoded)
	resources, light := summarizeLight(raw)
	full := summarize(request())
	if resources != resourceCount(request()) || light.Points != full.Points || light.Min != full.Min || light.Max != full.Max {
		t.Errorf("%d resources, %+v instead of %+v", resources, light, full)
	}
	for cut := range encoded {
		raw.ProtoReflect().SetUnknown(encoded[:cut])
		summarizeLight(raw) // does not panic
	}
}

package main

import (
	"encoding/binary"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// lightCodec leaves requests as they are: their bytes become unknown fields of the message. Decoding
// takes longer than all else that a sink does, which hides how soon a large tick has arrived.
type lightCodec struct{}

func (lightCodec) Name() string { return "proto" }

func (lightCodec) Marshal(v any) (mem.BufferSlice, error) {
	out, err := proto.Marshal(v.(proto.Message))
	return mem.BufferSlice{mem.SliceBuffer(out)}, err
}

func (lightCodec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(proto.Message).ProtoReflect().SetUnknown(data.Materialize())
	return nil
}

// The numbers on the way from ExportMetricsServiceRequest to its points; what a Metric holds is in
// one of several fields.
const (
	resourceMetrics = 1
	scopeMetrics    = 2
	metric          = 2
	dataPoint       = 1
	pointTime       = 3
)

func isData(n protowire.Number) bool { return n == 5 || n == 7 || n == 9 || n == 10 || n == 11 }

// summarizeLight counts resources and points of undecoded metrics.
func summarizeLight(request proto.Message) (resources int, s *Summary) {
	s = &Summary{Distinct: []nameAndTime{}}
	inside(request.ProtoReflect().GetUnknown(), resourceMetrics, func(rm []byte) {
		resources++
		inside(rm, scopeMetrics, func(sm []byte) {
			inside(sm, metric, func(m []byte) {
				fields(m, func(n protowire.Number, data []byte) {
					if isData(n) {
						inside(data, dataPoint, s.addPoint)
					}
				})
			})
		})
	})
	return resources, s
}

func (s *Summary) addPoint(point []byte) {
	for len(point) > 0 {
		n, kind, size := protowire.ConsumeTag(point)
		value := protowire.ConsumeFieldValue(n, kind, point[max(size, 0):])
		if size < 0 || value < 0 {
			return
		}
		if n == pointTime && kind == protowire.Fixed64Type {
			time := binary.LittleEndian.Uint64(point[size:])
			if s.Points == 0 || time < s.Min {
				s.Min = time
			}
			s.Max = max(s.Max, time)
			s.Points++
			return
		}
		point = point[size+value:]
	}
}

// inside calls f with each message in field number `wanted`.
func inside(message []byte, wanted protowire.Number, f func([]byte)) {
	fields(message, func(n protowire.Number, value []byte) {
		if n == wanted {
			f(value)
		}
	})
}

// fields calls f with each field that has a length; a damaged rest is left out.
func fields(message []byte, f func(protowire.Number, []byte)) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return
		}
		message = message[size:]
		if kind == protowire.BytesType {
			value, size := protowire.ConsumeBytes(message)
			if size < 0 {
				return
			}
			f(n, value)
			message = message[size:]
			continue
		}
		size = protowire.ConsumeFieldValue(n, kind, message)
		if size < 0 {
			return
		}
		message = message[size:]
	}
}

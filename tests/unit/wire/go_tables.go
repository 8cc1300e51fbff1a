// Prints go_tables.h: what Go's own library makes of durations, numbers and times. Run: go run go_tables.go > go_tables.h
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"strings"
	"time"
)

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20 || c > 0x7e:
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func cInt(n int64) string {
	if n == math.MinInt64 {
		return "INT64_MIN"
	}
	return fmt.Sprintf("INT64_C(%d)", n)
}

// Error texts as configurations get them: without the quoted value.
func errorText(err error) string {
	s := err.Error()
	if i := strings.IndexByte(s, '"'); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSpace(s)
}

func durations(r *rand.Rand) []string {
	list := []string{"", "0", "-0", "+0", "00", "0s", "+5s", "-5s", "--5s", "5", "5.5", "1h30m", "1.5h", ".5s", "5.s", ".s", ".", "-.s", "1d", "1 s", " 1s", "1s ",
		"1S", "1us", "1µs", "1μs", "3ns", "3.9ns", "1ms2", "1s1", "1e3s", "1.2.3s", "1..2s", "9223372036854775807ns", "9223372036854775808ns", "-9223372036854775808ns",
		"-9223372036854775809ns", "9223372036854775.807us", "2562047h47m16.854775807s", "2562047h47m16.854775808s", "-2562047h47m16.854775808s", "-2562047h47m16.854775809s",
		"0.3333333333333333333h", "0.9223372036854775807h", "0.100000000000000000000h", "9007199254.740993ms", "99999999999999999999s", "1m1h", "1h1h", "1hs", "h", "s1", "1\x00s",
		"1\xb5s", "1n", "1nss", "10s10", "0.0000000001s", "0.9999999999s", "1.0s", "2540400h10m10.000000000s", "0x1s", "1_0s", "3000000h", "-2562047.9h", "-2562047.9h1ns", "2562047.9h",
		"0.53384414600s", "0.9356018210s"}
	units := []string{"ns", "us", "µs", "ms", "s", "m", "h", "h", "s", "", "d"}
	for len(list) < 260 {
		var b strings.Builder
		if r.Intn(4) == 0 {
			b.WriteByte("+-"[r.Intn(2)])
		}
		for n := 1 + r.Intn(3); n > 0; n-- {
			v := r.Uint64() >> uint(r.Intn(64))
			fmt.Fprintf(&b, "%d", v)
			if r.Intn(2) == 0 {
				fmt.Fprintf(&b, ".%0*d", 1+r.Intn(22), r.Uint64()>>uint(r.Intn(64)))
			}
			k := len(units)
			if r.Intn(3) > 0 {
				k -= 2
			}
			b.WriteString(units[r.Intn(k)])
		}
		list = append(list, b.String())
	}
	return list
}

func doubles(r *rand.Rand) []float64 {
	list := []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 0.5, 1.5, 100, 99999, 100000, 999999, 1000000, 1234567, 123456789, 1e15, 1e16, 1e17, 1e20, 1.5e20, 1e21, 1e22,
		123456789012345678, 0.001, 0.0001, 0.00012345, 0.00001, 0.000012, 0.000001, 0.0000015, 0.0000001, 1e-10, 5e-324, 2.2250738585072014e-308, 2.225073858507201e-308,
		math.MaxFloat64, math.Pow(2, -44), 9007199254740993, 4.35, 0.1 + 0.2, 1.0 / 3}
	for e := -1074; e < 1024; e += 37 {
		list = append(list, math.Ldexp(1, e))
	}
	for len(list) < 260 {
		var f float64
		switch r.Intn(4) {
		case 0:
			f = math.Float64frombits(r.Uint64())
		case 1:
			f = float64(r.Int63n(1e9)) / math.Pow10(r.Intn(12))
		case 2:
			f = r.NormFloat64() * math.Pow10(r.Intn(30)-8)
		case 3:
			f = math.Float64frombits(r.Uint64() >> 12 >> uint(r.Intn(52)))
		}
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			list = append(list, f)
		}
	}
	return list
}

func main() {
	r := rand.New(rand.NewSource(1))
	fmt.Println("/* Made by go_tables.go: do not edit. */\n/* clang-format off */\n#include <stdint.h>\n")
	fmt.Println("static const struct {\n    const char *text;\n    size_t len;\n    int64_t ns;\n    const char *error;\n} go_durations[] = {")
	for _, s := range durations(r) {
		d, err := time.ParseDuration(s)
		if err != nil {
			fmt.Printf("    {%s, %d, 0, %s},\n", quote(s), len(s), quote(errorText(err)))
		} else {
			fmt.Printf("    {%s, %d, %s, NULL},\n", quote(s), len(s), cInt(int64(d)))
		}
	}
	fmt.Println("};\n\nstatic const struct {\n    int64_t ns;\n    const char *text;\n} go_duration_texts[] = {")
	prints := []int64{0, 1, -1, 999, 1000, 1001, 1100, 999999, 1000000, 1500000, 999999999, 1000000000, 1000000001, 59999999999, 60000000000, 61000000000, 3600000000000, 3661500000000,
		86400000000000, math.MaxInt64, math.MinInt64, math.MinInt64 + 1}
	for len(prints) < 80 {
		prints = append(prints, int64(r.Uint64())>>uint(r.Intn(64)))
	}
	for _, n := range prints {
		fmt.Printf("    {%s, %s},\n", cInt(n), quote(time.Duration(n).String()))
	}
	fmt.Println("};\n\nstatic const struct {\n    uint64_t bits;\n    const char *v, *json;\n} go_doubles[] = {")
	for _, f := range doubles(r) {
		j, _ := json.Marshal(f)
		fmt.Printf("    {UINT64_C(0x%016x), %s, %s},\n", math.Float64bits(f), quote(fmt.Sprintf("%v", f)), quote(string(j)))
	}
	fmt.Println("};\n\nstatic const struct {\n    int64_t ns;\n    const char *seconds, *micros, *nanos, *go, *http;\n} go_times[] = {")
	times := []int64{0, 1, -1, 999999999, 1000000000, -1000000000, 951782400000000000, 951868800000000000, 4107542400000000000, 1709164800000000000, math.MaxInt64, math.MinInt64,
		1581452773000000789, 1767323045123456000}
	for len(times) < 120 {
		times = append(times, int64(r.Uint64()))
	}
	for _, n := range times {
		t := time.Unix(0, n).UTC()
		fmt.Printf("    {%s, %s, %s, %s, %s, %s},\n", cInt(n), quote(t.Format("2006-01-02T15:04:05Z")), quote(t.Format("2006-01-02T15:04:05.000000Z")),
			quote(t.Format("2006-01-02T15:04:05.000000000Z")), quote(t.String()), quote(t.Format("Mon, 02 Jan 2006 15:04:05 GMT")))
	}
	fmt.Println("};")
}

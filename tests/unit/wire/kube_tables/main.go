// Prints ../kube_tables.h: what the Go libraries of Kubernetes and of the reference make of quantities, image references and names.
// Run: go run . > ../kube_tables.h
package main

import (
	_ "crypto/sha256" // digests are checked only by algorithms that are linked
	_ "crypto/sha512"
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"strings"

	"github.com/distribution/reference"
	"github.com/iancoleman/strcase"
	"gopkg.in/inf.v0"
	"k8s.io/apimachinery/pkg/api/resource"
)

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '?':
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

func pick[T any](r *rand.Rand, from ...T) T {
	return from[r.Intn(len(from))]
}

// The quantity times ten to `power`, rounded away from zero; saturated reports that it does not fit.
func rounded(q resource.Quantity, power int) (n int64, saturated bool) {
	d := new(inf.Dec).Set(q.AsDec())
	d.SetScale(d.Scale() - inf.Scale(power))
	d.Round(d, 0, inf.RoundUp)
	b := d.UnscaledBig()
	if b.IsInt64() {
		return b.Int64(), false
	}
	if b.Sign() < 0 {
		return math.MinInt64, true
	}
	return math.MaxInt64, true
}

func isSmall(n int64) bool {
	return n > -1<<62 && n < 1<<62
}

// Whether the library keeps it as a big decimal.
func isBig(q resource.Quantity) bool {
	return !reflect.ValueOf(q).FieldByName("d").FieldByName("Dec").IsNil()
}

func digits(r *rand.Rand, max int) string {
	var b strings.Builder
	for i := r.Intn(max + 1); i > 0; i-- {
		b.WriteByte(byte('0' + pick(r, 0, 0, 1, 2, 5, 9, r.Intn(10))))
	}
	return b.String()
}

func quantityText(r *rand.Rand) string {
	s := pick(r, "", "", "", "", "-", "-", "+") + digits(r, pick(r, 1, 3, 4, 8, 20, 24))
	if r.Intn(3) == 0 {
		s += "." + digits(r, pick(r, 1, 3, 9, 12, 22))
	}
	s += pick(r, "", "", "m", "m", "k", "M", "G", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u", "T", "P", "E",
		fmt.Sprintf("e%d", r.Intn(20)), fmt.Sprintf("E-%d", r.Intn(40)), fmt.Sprintf("e+%d", r.Intn(4)))
	if r.Intn(8) == 0 && len(s) > 0 { // something wrong with it
		at := r.Intn(len(s))
		s = s[:at] + pick(r, " ", "K", "i", "e", "-", ".", "x", "m", "0", "+") + s[at+r.Intn(2):]
	}
	return s
}

func quantities() {
	fmt.Println("static const struct {\n    const char *text;\n    bool ok, saturates;\n    int64_t value, milli;\n} go_quantities[] = {")
	texts := []string{"", "0", "1", "-1", "100m", "1500m", "-1500m", "1.5Gi", "128Mi", "1e3", "1E3", "1E", "10E", "1e19", "250u", "1n", "-1n",
		"16Ei", "-16Ei", "8Ei", "7.9Ei", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
		"9223372036854775807m", "9223372036854775808m", ".", "-", "+", "E", "m", "Ki", ".5", "5.", "0.5", "K", "1K", "1ki", "1e", "1e+", "1e-", "e3",
		"1 ", " 1", "1 m", "0x10", "1_000", "1,5", "--1", "+-1", "1.2.3", "1e3m", "1mi", "1ni", "0.0000000001", "-0.0000000001", "0.0000000001Ki",
		"1e-30", "1e100", "-1e100", "0e100", "1e-200", "000000000000000000000000000000000001", "100000000000000000000000000000000000000000000e-44",
		"123456789012345678901234567890123456789012345e-40", "0.123456789012345678901234567890123456789", "1e9223372036854775808", "1e-9223372036854775809",
		"0.1Ki", "0.001Ki", "1.0000000000000000000001Gi", "0.99999999999999999999Ki", "1e01", "1e+05", "1\x00", "1m\x00"}
	r := rand.New(rand.NewSource(1))
	for len(texts) < 3000 {
		texts = append(texts, quantityText(r))
	}
	seen := map[string]bool{}
	for _, text := range texts {
		if seen[text] {
			continue
		}
		seen[text] = true
		q, err := resource.ParseQuantity(text)
		if strings.IndexByte(text, 0) >= 0 {
			continue // no C string
		}
		if err != nil {
			fmt.Printf("    {%s, false, false, 0, 0},\n", quote(text))
			continue
		}
		value, a := rounded(q.DeepCopy(), 0)
		milli, b := rounded(q.DeepCopy(), 3)
		// Near the limits of int64 the library's own conversions wrap around; of negative numbers that it keeps as big decimals (more than
		// 18 digits, or a fraction before a binary suffix) they round to the wrong side or wrap. Everywhere else they must agree.
		if goValue := q.Value(); isSmall(value) && goValue != value && (value >= 0 || !isBig(q)) {
			panic(fmt.Sprint(text, " value ", goValue, " ", value))
		}
		if goMilli := q.MilliValue(); isSmall(milli) && goMilli != milli && (milli >= 0 || !isBig(q)) {
			panic(fmt.Sprint(text, " milli ", goMilli, " ", milli))
		}
		fmt.Printf("    {%s, true, %v, %s, %s},\n", quote(text), a || b, cInt(value), cInt(milli))
	}
	fmt.Println("};")
}

func hex(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[r.Intn(16)]
	}
	return string(b)
}

func imageText(r *rand.Rand) string {
	part := func() string {
		return pick(r, "app", "team", "app", "team", "web", "x", "a-b", "n1", "a", "0", "web-1", "a__b", "a_b", "a.b", "a--b", "a-----b", "UPPER", "a..b", "a___b", "-a", "a-", "x1", "localhost", "")
	}
	s := ""
	if r.Intn(2) == 0 {
		s = pick(r, "reg.io", "Reg.IO", "localhost", "10.0.0.1", "[::1]", "[fe80::1]", "a-b.c", "-a.b", "a_b", "xn--a.b", "a..b", "x") +
			pick(r, "", "", ":5000", ":", ":x", ":65536") + "/"
	}
	s += part()
	for r.Intn(2) == 0 {
		s += "/" + part()
	}
	if r.Intn(2) == 0 {
		s += ":" + pick(r, "1.2.3", "latest", "v1_2-3", "A", "_x", ".x", "-x", "", "a b", "5000", strings.Repeat("t", 127+r.Intn(3)), "a:b")
	}
	if r.Intn(4) == 0 {
		s += "@" + pick(r, "sha256", "sha384", "sha512", "SHA256", "md5", "sha-256", "") + ":" + hex(r, pick(r, 64, 64, 96, 128, 32, 31, 63, 65))
	}
	if r.Intn(12) == 0 && len(s) > 0 {
		at := r.Intn(len(s))
		s = s[:at] + pick(r, " ", "@", ":", "/", "A", "_", "\n", "é") + s[at:]
	}
	return s
}

func images() {
	fmt.Println("\nstatic const struct {\n    const char *text;\n    bool ok;\n    const char *repository, *tag;\n} go_images[] = {")
	sha := strings.Repeat("0123456789abcdef", 4)
	texts := []string{"", "nginx", "nginx:1.2", "example.com:5000/a/b:test", "reg/x@sha256:" + sha, "reg/x:1.2@sha256:" + sha, "UPPER/x:1", "UPPER", "a/B",
		"sha256:" + sha, sha, "a@sha256:" + sha[:63] + "A", "a@sha256:" + sha + "0", "a@sha256:" + sha + "\n", "a:5000", "a:5000/b", "a:b/c", "[::1]:5000/a", "[::1]/a", "[]/a", "/a", "a/", "a//b",
		strings.Repeat("a", 255), strings.Repeat("a", 256), "reg.io/" + strings.Repeat("a", 255), "reg.io/" + strings.Repeat("a", 256),
		"a_b/" + strings.Repeat("a", 251), "a_b/" + strings.Repeat("a", 252), "x/" + strings.Repeat("a/", 120) + "b", "docker.io/library/nginx:latest", "a@", "@sha256:" + sha, "a:1@sha256:" + sha + "@sha256:" + sha}
	r := rand.New(rand.NewSource(2))
	for len(texts) < 2500 {
		texts = append(texts, imageText(r))
	}
	seen := map[string]bool{}
	for _, text := range texts {
		if seen[text] {
			continue
		}
		seen[text] = true
		ref, err := reference.Parse(text)
		named, isNamed := ref.(reference.Named)
		if err != nil || !isNamed {
			fmt.Printf("    {%s, false, NULL, NULL},\n", quote(text))
			continue
		}
		tag := "latest"
		if tagged, ok := named.(reference.Tagged); ok {
			tag = tagged.Tag()
		}
		fmt.Printf("    {%s, true, %s, %s},\n", quote(text), quote(named.Name()), quote(tag))
	}
	fmt.Println("};")
}

func names() {
	fmt.Println("\nstatic const struct {\n    const char *text, *snake;\n} go_snakes[] = {")
	texts := []string{"", " ", "Ready", "PIDPressure", "NetworkUnavailable", "OutOfDisk", "HTTPServer2Go", "ephemeral-storage", "hugepages-1Gi",
		"nvidia.com/gpu", "example.com/Foo2Bar", "a1b", "A", "AB", "ABc", "aBC", "A1", "1A", "1a", "  Ready ", "\tReady\n", "a  b", "a_-.b", "_A", "A_", "éÉ", "Ünder", "\v\fx\r"}
	r := rand.New(rand.NewSource(3))
	for len(texts) < 1000 {
		var b strings.Builder
		for i := r.Intn(12); i >= 0; i-- {
			b.WriteString(pick(r, "a", "b", "z", "A", "B", "Z", "0", "9", " ", "_", "-", ".", "/", "é", "x", "Y"))
		}
		texts = append(texts, b.String())
	}
	for _, text := range texts {
		fmt.Printf("    {%s, %s},\n", quote(text), quote(strcase.ToSnake(text)))
	}
	fmt.Println("};")
}

func main() {
	fmt.Println("/* Made by kube_tables/main.go: do not edit. */\n/* clang-format off */\n#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n")
	quantities()
	images()
	names()
}

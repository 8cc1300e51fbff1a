// Package resource reads names of API resources from a command line.
package resource

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Parse reads "group/version/plural"; the group of core resources is empty: "/v1/pods".
func Parse(text string) (schema.GroupVersionResource, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return schema.GroupVersionResource{}, fmt.Errorf("%q is not group/version/plural", text)
	}
	return schema.GroupVersionResource{Group: parts[0], Version: parts[1], Resource: parts[2]}, nil
}

// List is a flag that may repeat.
type List []schema.GroupVersionResource

func (l *List) String() string { return "" }

func (l *List) Set(text string) error {
	r, err := Parse(text)
	if err == nil {
		*l = append(*l, r)
	}
	return err
}

package main

import (
	"fmt"
	"strings"
)

var (
	states   = []string{"Ready", "Processing", "Warning", "Error", "Deleting"}
	statuses = []string{"True", "False", "Unknown"}
)

func condition(kind, status, reason any) map[string]any {
	return map[string]any{
		"type": kind, "status": status, "reason": reason,
		"message": "a text that no metric wants", "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": int64(1),
	}
}

// sound is a status as a well-behaved operator writes it; n varies its values.
func sound(conditions, n int) map[string]any {
	list := make([]any, conditions)
	for i := range list {
		list[i] = condition(fmt.Sprintf("Condition%d", i), statuses[(n+i)%len(statuses)], fmt.Sprintf("Reason%d", n%7))
	}
	return map[string]any{"state": states[n%len(states)], "conditions": list}
}

func many(count int) []any {
	list := make([]any, count)
	for i := range list {
		list[i] = condition(fmt.Sprintf("Condition%d", i), statuses[i%len(statuses)], "Many")
	}
	return list
}

// shapes are the statuses that operators should not write, and some do. nil is none at all.
var shapes = []any{
	nil,
	"a string",
	[]any{"a", "list"},
	int64(5),
	map[string]any{},
	map[string]any{"state": ""},
	map[string]any{"state": int64(1), "conditions": []any{condition("Ready", "True", "StateIsANumber")}},
	map[string]any{"state": "NoConditions"},
	map[string]any{"state": "ConditionsAreNull", "conditions": nil},
	map[string]any{"state": "ConditionsAreAMap", "conditions": map[string]any{"Ready": condition("Ready", "True", "Mapped")}},
	map[string]any{"state": "ConditionsAreText", "conditions": "none"},
	map[string]any{"conditions": []any{condition("Ready", "True", "NoState")}},
	map[string]any{"state": "OddConditions", "conditions": []any{
		"text", int64(5), nil, []any{}, map[string]any{},
		map[string]any{"type": "NoStatus", "reason": "x"},
		map[string]any{"type": "NoReason", "status": "True"},
		map[string]any{"status": "True", "reason": "NoType"},
		condition("StatusIsBool", true, "x"), condition("TypeIsNumber", int64(1), "x"), condition(int64(2), "True", "x"),
		condition("ReasonIsNull", "True", nil), condition("", "", ""), condition("LowerCase", "true", "x"), condition("Odd", "Perhaps", "x"),
		condition("Sound", "True", "BehindOddOnes"),
	}},
	map[string]any{"state": "Twice", "conditions": []any{
		condition("Ready", "True", "Same"), condition("Ready", "True", "Same"), condition("Ready", "False", "Other")}},
	map[string]any{"state": "Many", "conditions": many(200)},
	map[string]any{"state": "größe 漢字 🙂 \u202e", "conditions": []any{condition("Ünïcode/漢", "False", "Grund\n\t\"\\ü")}},
	map[string]any{"state": strings.Repeat("s", 10_000), "conditions": []any{
		condition(strings.Repeat("t", 10_000), "True", strings.Repeat("ü", 5_000))}},
	map[string]any{"nested": map[string]any{"status": map[string]any{"state": "Inner"}}, "state": "Outer",
		"conditions": []any{condition("Ready", "True", "Outer")}},
}

// odd is one of them in turn.
func odd(i int) (any, bool) {
	shape := shapes[i%len(shapes)]
	return shape, shape != nil
}

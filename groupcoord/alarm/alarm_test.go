package alarm

import (
	"testing"

	"pgregory.net/rapid"
)

// The naive twin is a map from alarm to time.
func TestQueueIsAMapOfDeadlines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q Queue[int]
		alarms := make([]Alarm[int], 12)
		for i := range alarms {
			alarms[i].Value = i
		}
		model, now := map[int]int64{}, int64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			i := rapid.IntRange(0, len(alarms)-1).Draw(t, "alarm")
			switch rapid.IntRange(0, 4).Draw(t, "op") {
			case 0, 1:
				at := now + rapid.Int64Range(0, 50).Draw(t, "delay")
				q.Set(&alarms[i], at)
				model[i] = at
			case 2:
				q.Cancel(&alarms[i])
				delete(model, i)
			case 3:
				now += rapid.Int64Range(0, 40).Draw(t, "pass")
				fire(t, &q, model, now)
			case 4:
				d := rapid.Int64Range(-1000, 1000).Draw(t, "shift")
				now += d
				q.Shift(d)
				for i := range model {
					model[i] += d
				}
			}
			check(t, &q, model, alarms)
		}
	})
}

func fire(t *rapid.T, q *Queue[int], model map[int]int64, now int64) {
	for a := q.Pop(now); a != nil; a = q.Pop(now) {
		at, ok := model[a.Value]
		if !ok || at > now || a.IsSet() {
			t.Fatalf("alarm %d went off at %d, set for %d (%v)", a.Value, now, at, ok)
		}
		delete(model, a.Value)
	}
	for i, at := range model {
		if at <= now {
			t.Fatalf("alarm %d, due at %d, did not go off by %d", i, at, now)
		}
	}
}

func check(t *rapid.T, q *Queue[int], model map[int]int64, alarms []Alarm[int]) {
	least, any := int64(0), false
	for i, at := range model {
		if !alarms[i].IsSet() || alarms[i].At != at {
			t.Fatalf("alarm %d is set for %d, not %d", i, alarms[i].At, at)
		}
		if !any || at < least {
			least, any = at, true
		}
	}
	if at, ok := q.Next(); ok != any || ok && at != least || q.Len() != len(model) {
		t.Fatalf("next is %d %v, want %d %v; %d set, want %d", at, ok, least, any, q.Len(), len(model))
	}
}

func BenchmarkPutOff(b *testing.B) {
	var q Queue[int]
	alarms := make([]Alarm[int], 100_000)
	for i := range alarms {
		q.Set(&alarms[i], int64(i))
	}
	now := int64(0)
	for i := 0; b.Loop(); i++ {
		now++
		q.Set(&alarms[i%len(alarms)], now+45_000)
	}
}

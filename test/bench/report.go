package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"
)

// measure is one line of the table.
type measure struct {
	name    string
	unit    string
	digits  int
	compare aspect // ratio or difference
	goal    goal
}

// aspect is what is looked at in a number.
type aspect int

const (
	ratio      aspect = iota // to the minimal relay
	difference               // to the direct connection
	value                    // the number itself
)

// goal is what the program is meant to reach; without least and most there is none.
type goal struct {
	of          aspect
	least, most float64
}

// report collects samples, one for each round.
type report struct {
	machine string
	options options
	began   time.Time
	order   []measure
	samples map[string]map[string][]float64 // measure name, contestant name
}

func newReport(o options) *report {
	return &report{machine: machine(), options: o, began: time.Now(), samples: map[string]map[string][]float64{}}
}

func (r *report) add(row row, c contestant, v values) {
	for _, m := range row.measures {
		if r.samples[m.name] == nil {
			r.samples[m.name] = map[string][]float64{}
			r.order = append(r.order, m)
		}
		if x, ok := v[m.name]; ok {
			r.samples[m.name][c.name] = append(r.samples[m.name][c.name], x)
		}
	}
}

// compared compares round by round, for what disturbs one contestant is likely to disturb its neighbour,
// and takes the median. It is not a number where there is nothing to compare with.
func (r *report) compared(m measure, of aspect, name string) float64 {
	if of == value {
		return median(r.samples[m.name][name])
	}
	base := direct
	if of == ratio {
		base = minimal
		if name == posternTLS {
			base = minimalTLS
		}
	}
	var all []float64
	others := r.samples[m.name][base]
	for i, x := range r.samples[m.name][name] {
		if i >= len(others) {
			break
		}
		if of == ratio {
			all = append(all, x/others[i])
		} else {
			all = append(all, x-others[i])
		}
	}
	return median(all)
}

func (r *report) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s: %d cores, %s, %s. Medians of %d rounds in turns; %d idle sessions. ",
		r.began.Format(time.DateOnly), runtime.NumCPU(), r.machine, runtime.Version(), r.options.rounds, r.options.sessions)
	b.WriteString("× is the ratio to the minimal relay, + the difference to the direct connection, each the median over rounds.\n\n")
	fmt.Fprintf(&b, "| | unit | %s | %s | **%s** | compared | goal | %s | **%s** | compared |\n", direct, minimal, postern, minimalTLS, posternTLS)
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	for _, m := range r.order {
		cell := func(name string) string { return number(median(r.samples[m.name][name]), m.digits) }
		against := func(name string) string {
			x := r.compared(m, m.compare, name)
			switch {
			case m.compare == value:
				return ""
			case math.IsNaN(x):
				return "–"
			case m.compare == ratio:
				return "×" + number(x, 2)
			}
			return fmt.Sprintf("%+.*f", m.digits, x)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | **%s** | %s | %s | %s | **%s** | %s |\n", m.name, m.unit,
			cell(direct), cell(minimal), cell(postern), against(postern), r.verdict(m), cell(minimalTLS), cell(posternTLS), against(posternTLS))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// verdict says whether Postern with a plain client reaches its goal.
func (r *report) verdict(m measure) string {
	g := m.goal
	if g.least == 0 && g.most == 0 {
		return ""
	}
	sign := map[aspect]string{ratio: "×", difference: "+"}[g.of]
	x := r.compared(m, g.of, postern)
	text, met := fmt.Sprintf("≥ %s%g", sign, g.least), x >= g.least
	if g.most != 0 {
		text, met = fmt.Sprintf("≤ %s%g", sign, g.most), x <= g.most
	}
	if met {
		return text + ", met"
	}
	return text + ", **missed**"
}

func (r *report) writeJSON(w io.Writer) error {
	type line struct {
		Measure string               `json:"measure"`
		Unit    string               `json:"unit"`
		Samples map[string][]float64 `json:"samples"`
	}
	out := struct {
		Date     string `json:"date"`
		Machine  string `json:"machine"`
		Cores    int    `json:"cores"`
		Go       string `json:"go"`
		Rounds   int    `json:"rounds"`
		Sessions int    `json:"sessions"`
		Measures []line `json:"measures"`
	}{r.began.Format(time.DateOnly), r.machine, runtime.NumCPU(), runtime.Version(), r.options.rounds, r.options.sessions, nil}
	for _, m := range r.order {
		out.Measures = append(out.Measures, line{m.name, m.unit, r.samples[m.name]})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

func number(x float64, digits int) string {
	if math.IsNaN(x) {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, x)
}

// median is not a number for no samples.
func median(samples []float64) float64 {
	n := len(samples)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(samples))
	return (s[(n-1)/2] + s[n/2]) / 2
}

// percentile takes the sample that p percent do not exceed.
func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(times))
	return s[min(len(s)*p/100, len(s)-1)]
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }
func microseconds(d time.Duration) float64 { return d.Seconds() * 1e6 }

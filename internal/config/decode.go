package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// decoder puts the tables of a file into structs. It goes on after a mistake: the TOML library would stop
// at the first value of a wrong type, and takes keys in any case.
type decoder struct {
	problems
	root reflect.Type // where to look for the table that a misplaced key belongs in
}

// table decodes a TOML table into a struct by its toml tags.
func (d *decoder) table(at toml.Key, from map[string]any, to reflect.Value) {
	fields := map[string]int{}
	for i := range to.NumField() {
		if tag := to.Type().Field(i).Tag.Get("toml"); tag != "-" {
			fields[tag] = i
		}
	}
	for _, key := range slices.Sorted(maps.Keys(from)) {
		i, ok := fields[key]
		if !ok {
			d.add(sub(at, key), "unknown key%s", d.meant(key, to.Type(), slices.Collect(maps.Keys(fields))))
			continue
		}
		d.value(sub(at, key), from[key], to.Field(i))
	}
}

// value decodes one value; a string array, a table, and a table of tables are the only nested ones.
func (d *decoder) value(at toml.Key, from any, to reflect.Value) {
	if text, ok := to.Addr().Interface().(encoding.TextUnmarshaler); ok {
		s, ok := from.(string)
		if !ok {
			d.add(at, "%v, got %s", errDuration, describe(from))
		} else if err := text.UnmarshalText([]byte(s)); err != nil {
			d.add(at, "%v, got %q", err, s)
		}
		return
	}
	switch to.Kind() {
	case reflect.Struct:
		if t, ok := from.(map[string]any); ok {
			d.table(at, t, to)
			return
		}
		d.add(at, "want a table, [%s], got %s", at, describe(from))
	case reflect.Map:
		t, ok := from.(map[string]any)
		if !ok {
			d.add(at, "want tables, [%s], got %s", sub(at, "NAME"), describe(from))
			return
		}
		to.Set(reflect.MakeMap(to.Type()))
		for _, name := range slices.Sorted(maps.Keys(t)) {
			element := reflect.New(to.Type().Elem()).Elem()
			d.value(sub(at, name), t[name], element)
			to.SetMapIndex(reflect.ValueOf(name), element)
		}
	case reflect.Slice:
		list, ok := from.([]any)
		texts := make([]string, len(list))
		for i := 0; ok && i < len(list); i++ {
			texts[i], ok = list[i].(string)
		}
		if !ok {
			d.add(at, `want a list of texts such as ["a", "b"], got %s`, describe(from))
			return
		}
		to.Set(reflect.ValueOf(texts))
	default:
		v := reflect.ValueOf(from)
		if n, ok := from.(int64); ok && to.Kind() == reflect.Int && int64(int(n)) == n {
			to.SetInt(n)
		} else if v.IsValid() && v.Kind() == to.Kind() && v.Type().AssignableTo(to.Type()) {
			to.Set(v)
		} else {
			d.add(at, "want %s, got %s", wanted(to.Kind()), describe(from))
		}
	}
}

func wanted(kind reflect.Kind) string {
	switch kind {
	case reflect.Bool:
		return "true or false without quotes"
	case reflect.Int:
		return "a whole number without quotes"
	}
	return "a text in quotes"
}

func describe(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("the text %q", v)
	case int64, float64, bool:
		return fmt.Sprint(v)
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "a list"
	}
	return "a date or time"
}

// meant guesses which key an unknown one should have been.
func (d *decoder) meant(key string, here reflect.Type, known []string) string {
	var tables []string
	var search func(t reflect.Type, at string)
	search = func(t reflect.Type, at string) {
		for i := range t.NumField() {
			f := t.Field(i)
			tag := f.Tag.Get("toml")
			if tag == key && t != here && at != "" {
				tables = append(tables, "["+at+"]")
			}
			switch f.Type.Kind() {
			case reflect.Struct:
				search(f.Type, tag)
			case reflect.Map:
				search(f.Type.Elem(), tag+".NAME")
			}
		}
	}
	search(d.root, "")
	if len(tables) > 0 {
		return " here: it belongs in " + strings.Join(tables, " or ")
	}
	return suggestion(key, known)
}

package main

import (
	"encoding/xml"
	"testing"
)

func TestToast(t *testing.T) {
	t.Parallel()
	type toast struct {
		Type   string   `xml:"activationType,attr"`
		Launch string   `xml:"launch,attr"`
		Texts  []string `xml:"visual>binding>text"`
		Button struct {
			Type string `xml:"activationType,attr"`
			Link string `xml:"arguments,attr"`
		} `xml:"actions>action"`
	}
	const link = "http://127.0.0.1:1180/sign-in/a&b@example.com"
	n := trayNotice{"a&b@example.com", "a&b: <sign> in", `It's "$(broken)" ]]>.`, "mend it", true, link}
	var got toast
	if err := xml.Unmarshal([]byte(toastXML(n)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "protocol" || got.Launch != link || got.Button.Type != "protocol" || got.Button.Link != link {
		t.Errorf("a click leads to %+v", got)
	}
	if len(got.Texts) != 2 || got.Texts[0] != n.title || got.Texts[1] != n.text+" Click to sign in." {
		t.Errorf("texts %q", got.Texts)
	}
	n.link = ""
	got = toast{}
	if err := xml.Unmarshal([]byte(toastXML(n)), &got); err != nil || got.Type != "" || got.Button.Link != "" || got.Texts[1] != n.text+" What to do: mend it" {
		t.Errorf("without a page: %+v, %v", got, err)
	}
	if a, b := toastTag("ann@example.com"), toastTag("bob@example.com"); len(a) != 16 || a == b {
		t.Error(a, b)
	}
}

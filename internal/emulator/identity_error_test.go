package emulator

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestErrorObject(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	e.Identity.Fail(TokenRefresh, 1, Fault{AADSTS: 50076, Suberror: "basic_action", Claims: `{"access_token":{}}`})
	r := post(t, e, e.Identity.TokenURL("common"), url.Values{"grant_type": {"refresh_token"}})
	guid := `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`
	form := fmt.Sprintf(`^AADSTS50076: [^\r\n]+\r\nTrace ID: (%s)\r\nCorrelation ID: (%s)\r\nTimestamp: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)$`, guid, guid)
	got := regexp.MustCompile(form).FindStringSubmatch(r.Description)
	if got == nil || got[1] != r.Trace || got[2] != r.Correlation || got[3] != r.Timestamp {
		t.Errorf("description %q", r.Description)
	}
	if r.Error != "interaction_required" || r.code() != 50076 || r.Suberror != "basic_action" || r.Claims != `{"access_token":{}}` {
		t.Errorf("%s", r.raw)
	}
}

func TestAADSTSTable(t *testing.T) {
	t.Parallel()
	seen := make(map[int]bool)
	for _, row := range aadstsRows {
		if row.value == "" || !strings.HasSuffix(row.text, ".") {
			t.Errorf("%v: %q %q", row.codes, row.value, row.text)
		}
		for _, code := range row.codes {
			if seen[code] {
				t.Errorf("AADSTS%d has two rows", code)
			}
			seen[code] = true
		}
	}
	if row := findAADSTS(123456); row.value != "invalid_grant" {
		t.Errorf("an unknown number: %+v", row)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	client := httpClient(t, e)
	for tenant, issuer := range map[string]string{"common": "{tenantid}", "consumers": consumerTenant, "example.org": "example.org"} {
		resp, err := client.Get(e.Identity.MetadataURL(tenant))
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		err = json.NewDecoder(resp.Body).Decode(&doc)
		resp.Body.Close()
		if err != nil || doc["issuer"] != e.Identity.URL()+"/"+issuer+"/v2.0" || doc["token_endpoint"] != e.Identity.TokenURL(tenant) {
			t.Errorf("%s: %v %v", tenant, doc, err)
		}
		if _, has := doc["revocation_endpoint"]; has {
			t.Error("Microsoft has no revocation endpoint")
		}
	}
	if n := e.Identity.Count(Metadata); n != 3 {
		t.Errorf("counted %d", n)
	}
}

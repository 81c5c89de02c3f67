package migration

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"postern/internal/store"
)

func isOamaConfig(text string) bool {
	tree, err := oamaTree(text)
	return err == nil && len(tree["services"]) > 0
}

// oamaTree reads the configuration as two levels, services and their keys; it may be YAML or JSON.
func oamaTree(text string) (map[string]map[string]map[string]string, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var tree struct {
			Services map[string]map[string]any `json:"services"`
		}
		if err := json.Unmarshal([]byte(text), &tree); err != nil {
			return nil, err
		}
		services := map[string]map[string]string{}
		for name, keys := range tree.Services {
			services[name] = map[string]string{}
			for key, value := range keys {
				if s, ok := value.(string); ok {
					services[name][key] = s
				}
			}
		}
		return map[string]map[string]map[string]string{"services": services}, nil
	}
	return readNested(text)
}

// readOamaConfig makes an account without an address of each service: oama's configuration names none.
func readOamaConfig(text string) (*Settings, error) {
	tree, err := oamaTree(text)
	if err != nil {
		return nil, err
	}
	found := &Settings{}
	for _, name := range slices.Sorted(maps.Keys(tree["services"])) {
		keys := tree["services"][name]
		a := Account{
			Service: name, AuthorizeURL: keys["auth_endpoint"], TokenURL: keys["token_endpoint"], Tenant: keys["tenant"],
			Scopes: strings.Fields(keys["auth_scope"]), ClientID: oamaGiven(keys["client_id"]),
			ClientSecret: store.NewSecret(oamaGiven(keys["client_secret"])), Flow: "browser",
		}
		if keys["client_id"] == "" && keys["client_id_cmd"] != "" {
			a.left("client_id_cmd", "Postern runs no command of another program: run it yourself and give --client-id")
		}
		if keys["client_secret_cmd"] != "" {
			a.left("client_secret_cmd", "Postern runs no command of another program: put the secret in a file and give account add --client-secret-file")
		}
		found.Accounts = append(found.Accounts, a)
	}
	found.Left = append(found.Left, "the tokens: oama keeps them in the keyring or in encrypted files; to bring one along, pipe its JSON in: ... | postern import -")
	return found, nil
}

// oamaGiven leaves out what the template has in the place of a value.
func oamaGiven(value string) string {
	if strings.HasPrefix(value, "application-CLIENT") {
		return ""
	}
	return value
}

var errNotNested = errors.New("not the YAML of an oama configuration")

// readNested reads three levels of YAML mappings with plain or quoted values, which may go on in lines that
// are indented further: all that oama's template has. Lists, anchors and block texts are none of it.
func readNested(text string) (map[string]map[string]map[string]string, error) {
	tree := map[string]map[string]map[string]string{}
	var top, second, key string
	var indents [3]int
	depth := -1
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\n")
		trimmed := strings.TrimLeft(line, " ")
		if trimmed == "" || trimmed[0] == '#' || trimmed == "---" {
			continue
		}
		indent := len(line) - len(trimmed)
		if depth == 2 && indent > indents[2] && key != "" {
			tree[top][second][key] += " " + plainYAML(trimmed)
			continue
		}
		name, value, ok := strings.Cut(trimmed, ":")
		if !ok || value != "" && value[0] != ' ' {
			return nil, errNotNested
		}
		for depth >= 0 && indent <= indents[depth] {
			depth--
		}
		if depth++; depth > 2 {
			return nil, errNotNested
		}
		indents[depth] = indent
		name, value = plainYAML(name), plainYAML(value)
		switch depth {
		case 0:
			top, second, key = name, "", ""
			tree[top] = map[string]map[string]string{}
		case 1:
			second, key = name, ""
			tree[top][second] = map[string]string{}
		case 2:
			key = name
			tree[top][second][key] = value
		}
	}
	return tree, nil
}

// plainYAML takes quotes and comments off a scalar.
func plainYAML(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') {
		if end := strings.IndexByte(s[1:], s[0]); end >= 0 {
			return s[1 : 1+end]
		}
	}
	if i := strings.Index(s, " #"); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSpace(s)
}

package emulator

import (
	"slices"
	"strings"
)

const (
	audienceMail   = "https://outlook.office.com"
	audienceGraph  = "https://graph.microsoft.com"
	audienceGoogle = "https://mail.google.com"
)

// scope is one parsed scope value: a permission of one audience, or an OpenID Connect one (no audience).
type scope struct {
	audience string // canonical; "" for openid, profile, email and offline_access
	name     string // permission as asked, without its resource
	asked    string // the whole value as the client wrote it
}

// key is what a grant is compared by: prefixes and case differ between clients and answers.
func (s scope) key() string { return s.audience + "/" + strings.ToLower(s.name) }

type scopes []scope

// parseScopes splits a scope parameter. A value without resource belongs to Graph, as Microsoft's documentation
// of scopes has it: a token for it is refused by IMAP.
func parseScopes(param string) (scopes, *refusal) {
	var list scopes
	for _, asked := range strings.Fields(param) {
		s, ok := parseScope(asked)
		if !ok {
			return nil, refuse(500011, "The resource principal named in the scope '"+asked+"' was not found in the tenant.")
		}
		list = append(list, s)
	}
	if len(list) == 0 {
		return nil, refuse(900144, "The request body must contain the following parameter: 'scope'.")
	}
	for _, audience := range list.audiences() {
		of := list.of(audience)
		if len(of) > 1 && slices.ContainsFunc(of, scope.isDefault) {
			return nil, refuse(70011, "The provided value for the scope is not valid: .default can not be combined with other scopes of its resource.")
		}
	}
	return list, nil
}

func parseScope(asked string) (scope, bool) {
	switch strings.ToLower(asked) {
	case "openid", "profile", "email", "offline_access":
		return scope{name: strings.ToLower(asked), asked: asked}, true
	}
	if !strings.Contains(asked, "://") {
		return scope{audience: audienceGraph, name: asked, asked: asked}, true
	}
	cut := strings.LastIndexByte(asked, '/')
	resource, name := strings.ToLower(strings.TrimRight(asked[:cut], "/")), asked[cut+1:]
	switch resource {
	case audienceMail, "https://outlook.office365.com", "https://ps.outlook.com", "https://outlook.office365.us",
		"https://outlook-dod.office365.us", "https://partner.outlook.cn":
		return scope{audienceMail, name, asked}, name != ""
	case audienceGraph:
		return scope{audienceGraph, name, asked}, name != ""
	case audienceGoogle:
		return scope{audienceGoogle, name, asked}, true
	}
	return scope{}, false
}

func (s scope) isDefault() bool { return strings.EqualFold(s.name, ".default") }

// audiences in the order of their first scope.
func (l scopes) audiences() []string {
	var list []string
	for _, s := range l {
		if s.audience != "" && !slices.Contains(list, s.audience) {
			list = append(list, s.audience)
		}
	}
	return list
}

// of returns the scopes of one audience.
func (l scopes) of(audience string) scopes {
	var list scopes
	for _, s := range l {
		if s.audience == audience {
			list = append(list, s)
		}
	}
	return list
}

func (l scopes) has(name string) bool {
	return slices.ContainsFunc(l, func(s scope) bool { return s.audience == "" && s.name == name })
}

// within tells whether every permission of l was granted; the OpenID Connect ones need no consent of their own.
func (l scopes) within(granted scopes) bool {
	for _, s := range l {
		match := func(g scope) bool { return g.audience == s.audience && (g.key() == s.key() || s.isDefault()) }
		if s.audience != "" && !slices.ContainsFunc(granted, match) {
			return false
		}
	}
	return true
}

// echo is the scope member of an answer: the permissions of the token's one audience as asked, and the OpenID
// Connect ones except offline_access, which Microsoft leaves out.
func (l scopes) echo(audience string) string {
	var list []string
	for _, s := range l {
		if s.audience == audience || s.audience == "" && s.name != "offline_access" {
			list = append(list, s.asked)
		}
	}
	return strings.Join(list, " ")
}

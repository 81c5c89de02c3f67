package emulator

import "html/template"

// Names of the pages a person sees. They are plain forms, so that a script can pass them too.
const (
	messagePage   = "message" // data: a sentence
	errorPageName = "error"   // data: .Text
	signInPage    = "sign-in" // data: pageData
	consentPage   = "consent" // data: pageData
	devicePage    = "device"  // data: pageData
	postPage      = "post"    // data: .To, .Values
)

type pageData struct {
	Action string // where the form goes
	Flow   string // names the signIn
	Login  string // address filled in
	App    string
	Scopes []string
	Error  string
	Device bool
}

// pages is never written to.
var pages = template.Must(template.New("").Parse(`
{{- define "top"}}<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in (emulator)</title>
<style>body{font-family:sans-serif;max-width:26em;margin:4em auto}label{display:block;margin:.5em 0}
.error{color:#a00;white-space:pre-line}</style></head><body>
<p><small>This is Postern's stand-in for a sign-in page. No real password belongs here.</small></p>
{{end}}
{{- define "message"}}{{template "top"}}<p>{{.}}</p></body></html>{{end}}
{{- define "error"}}{{template "top"}}<h1>Sign in</h1>
<p>Sorry, but we are having trouble with signing you in.</p><p class="error">{{.Text}}</p></body></html>{{end}}
{{- define "sign-in"}}{{template "top"}}<h1>Sign in</h1>
{{with .Error}}<p class="error">{{.}}</p>{{end}}
<form method="post" action="{{.Action}}"><input type="hidden" name="flow" value="{{.Flow}}">
<label>Address <input name="login" type="email" value="{{.Login}}"></label>
<label>Password <input name="passwd" type="password"></label>
<button name="signin" value="1">Sign in</button> <button name="cancel" value="1">Cancel</button>
</form></body></html>{{end}}
{{- define "consent"}}{{template "top"}}<h1>Permissions requested</h1>
<p>{{.App}}{{if .Device}}, on another device,{{end}} wants to open the mailbox of {{.Login}}:</p>
<ul>{{range .Scopes}}<li>{{.}}</li>{{end}}</ul>
<form method="post" action="{{.Action}}"><input type="hidden" name="flow" value="{{.Flow}}">
<button name="accept" value="1">Accept</button> <button name="cancel" value="1">Cancel</button>
</form></body></html>{{end}}
{{- define "device"}}{{template "top"}}<h1>Enter code</h1>
{{with .Error}}<p class="error">{{.}}</p>{{end}}
<form method="post" action="{{.Action}}"><label>Code <input name="otc"></label><button>Next</button>
</form></body></html>{{end}}
{{- define "post"}}<!DOCTYPE html>
<html><head><title>Working...</title></head><body onload="document.forms[0].submit()">
<form method="post" action="{{.To}}">{{range $name, $list := .Values}}{{range $list}}
<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}
<noscript><button>Continue</button></noscript></form></body></html>{{end}}
`))

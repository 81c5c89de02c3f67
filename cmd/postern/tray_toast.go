package main

import (
	"crypto/sha256"
	"encoding/hex"
	"html"
)

// toastXML is the notification (the toast schema of learn.microsoft.com). Where there is a page, a click on the
// text or on the button opens it, which Windows does itself.
func toastXML(n trayNotice) string {
	click, launch, button := "", "", ""
	if n.link != "" {
		link := html.EscapeString(n.link)
		click = "Click to sign in."
		launch = ` activationType="protocol" launch="` + link + `"`
		button = `<actions><action content="Sign in" activationType="protocol" arguments="` + link + `"/></actions>`
	}
	return `<toast` + launch + `><visual><binding template="ToastGeneric"><text>` + html.EscapeString(n.title) + `</text><text>` +
		html.EscapeString(n.body(click)) + `</text></binding></visual>` + button + `</toast>`
}

// toastTag names an account's notification in no more than the 16 characters that old Windows 10 takes.
func toastTag(account string) string {
	sum := sha256.Sum256([]byte(account))
	return hex.EncodeToString(sum[:8])
}

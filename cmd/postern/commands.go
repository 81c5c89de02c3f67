package main

import "flag"

// commands is the table of what the program can do; the help is written from it.
func commands() []command {
	asJSON := func(f *flag.FlagSet, o *options) { f.BoolVar(&o.json, "json", false, "print JSON for scripts") }
	return []command{
		{name: "demo", args: "[--addr ADDRESS] [--json]", does: "the whole path on an embedded stand-in for Microsoft: try it now",
			more: "Needs no network and no configuration, and leaves nothing behind.",
			flags: func(f *flag.FlagSet, o *options) {
				f.StringVar(&o.addr, "addr", "127.0.0.1:1143", "where mail clients connect")
				asJSON(f, o)
			}, run: runDemo},
		{name: "account add", args: "EMAIL [--provider P] [--client-id ID] [--tenant T] [--flow F] [--mailbox M] ...", does: "add an account",
			more: "Flows: browser (default), device, client-credentials. Providers: " + builtInNames() + ", and those of the configuration file.",
			flags: func(f *flag.FlagSet, o *options) {
				f.StringVar(&o.provider, "provider", "", "the mail provider; found by the address when not given")
				f.StringVar(&o.clientID, "client-id", "", "the `ID` of your app registration (docs/microsoft.md)")
				f.StringVar(&o.tenant, "tenant", "", "directory to sign in to, when the provider's default is not yours")
				f.StringVar(&o.flow, "flow", "", "how to sign in")
				f.StringVar(&o.mailbox, "mailbox", "", "the mailbox to open, when it is not EMAIL (shared mailbox)")
				f.StringVar(&o.signInAs, "sign-in-as", "", "the address to sign in with, when it is not EMAIL")
				f.StringVar(&o.clientSecretFile, "client-secret-file", "", "`FILE` with the app's secret")
				f.StringVar(&o.clientCertificate, "client-certificate", "", "`FILE` with the app's certificate (PEM)")
				f.StringVar(&o.clientKey, "client-key", "", "`FILE` with the certificate's key (PEM)")
			}, run: runAccountAdd},
		{name: "account list", args: "[--json]", does: "list the accounts", flags: asJSON, run: runAccountList},
		{name: "account remove", args: "EMAIL", does: "remove an account with its tokens and local passwords", run: runAccountRemove},
		{name: "login", args: "EMAIL [--device] [--no-browser]", does: "sign in to the provider",
			more: "--device shows a code to type on any other device. --no-browser prints the address to open, and also takes the\n" +
				"address at which the browser ends, pasted here.",
			flags: func(f *flag.FlagSet, o *options) {
				f.BoolVar(&o.device, "device", false, "sign in on another device")
				f.BoolVar(&o.noBrowser, "no-browser", false, "do not open a browser")
			}, run: runLogin},
		{name: "logout", args: "EMAIL | --all", does: "forget the tokens of one account or of all",
			flags: func(f *flag.FlagSet, o *options) { f.BoolVar(&o.all, "all", false, "every account") }, run: runLogout},
		{name: "password add", args: "EMAIL [--label L] [--read-only | --send-only] [--expires D] [--choose]", does: "make a local password for one client program",
			more: "The password is shown once and stored hashed. --expires takes 90d or 2027-01-31.",
			flags: func(f *flag.FlagSet, o *options) {
				f.StringVar(&o.label, "label", "", "which program it is for")
				f.BoolVar(&o.readOnly, "read-only", false, "it can read mail and change nothing")
				f.BoolVar(&o.sendOnly, "send-only", false, "it can send mail and read none")
				f.StringVar(&o.expires, "expires", "", "until when it is good")
				f.BoolVar(&o.choose, "choose", false, "type your own, or pipe it in")
			}, run: runPasswordAdd},
		{name: "password list", args: "[EMAIL] [--json]", does: "list the local passwords", flags: asJSON, run: runPasswordList},
		{name: "password revoke", args: "EMAIL ID|LABEL", does: "take a local password back", run: runPasswordRevoke},
		{name: "serve", does: "run the daemon", run: runServe},
		{name: "reload", does: "put a changed configuration into force; sessions go on", run: runReload},
		{name: "status", args: "[--json]", does: "each account: state, token, sessions, last problem and its cure", flags: asJSON, run: runStatus},
		{name: "token", args: "EMAIL [--format raw|xoauth2|oauthbearer|json]", does: "print an access token for another program",
			flags: func(f *flag.FlagSet, o *options) {
				f.StringVar(&o.format, "format", "raw", "raw, xoauth2, oauthbearer or json")
			}, run: runToken},
		{name: renewCommand, run: runRenew}, // not for people
		{name: "version", does: "print the version", run: runVersion},
		{name: "help", args: "[COMMAND]", does: "explain", run: runHelp},
	}
}

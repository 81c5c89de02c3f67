package main

import (
	"context"

	"postern/internal/control"
)

// clientPages gives the daemon's page the settings that `postern client` prints, with the addresses at which
// the daemon really listens.
func (d *daemon) clientPages() *control.Clients {
	c := &control.Clients{Settings: d.clientPage}
	for _, p := range clientPrograms() {
		c.Programs = append(c.Programs, control.Program{Name: p.name, Title: p.title})
	}
	return c
}

func (d *daemon) clientPage(ctx context.Context, program, email string) (control.Settings, error) {
	p, err := findClient(program)
	if err != nil {
		return control.Settings{}, err
	}
	account, err := d.accounts.Account(ctx, email)
	if err != nil {
		return control.Settings{}, err
	}
	s := clientSettings{Client: p.name, Email: account.Email, Mailbox: account.Mailbox}
	addresses := map[string]string{}
	for _, l := range d.listeners() {
		addresses[l.Name] = l.Address
	}
	s.useAddresses(addresses, *d.configured.Load(), false)
	if err := s.need(p, "it is off", "the configuration file"); err != nil {
		return control.Settings{Cure: hint(err)}, err
	}
	text, err := p.settings(s)
	if err != nil {
		return control.Settings{}, err
	}
	page := control.Settings{Text: text, Goes: s.say(p.goes), FileName: s.say(p.file), MediaType: p.mediaType}
	if p.note != "" {
		page.Notes = append(page.Notes, s.say(p.note))
	}
	return page, nil
}

package main

import (
	"math"
	"time"
)

// The measures of linkRow. A new program knows nothing; then it knows the server; then it has had time to
// prepare for the next login.
const (
	coldLogin   = "login over a link of 40 ms, first"
	secondLogin = "the same, second"
	warmLogin   = "the same, a while later"
)

// prepareTime is the while.
const prepareTime = time.Second / 2

// linkRow logs in over a link with delay and counts round trips between the relay and the server, those
// of TCP and TLS among them. What the machine itself needs is a small part of one, and is left out.
func linkRow() row {
	return row{
		name: "link",
		measures: []measure{
			{name: coldLogin, unit: "round trips", compare: difference, goal: goal{of: value, most: 4}},
			{name: secondLogin, unit: "round trips", compare: difference},
			{name: warmLogin, unit: "round trips", compare: difference, goal: goal{of: value, most: 1}},
		},
		visit: visitLink,
	}
}

func visitLink(b *bench, c contestant) (values, error) {
	link, err := b.start("delay", b.origin.tlsAddress)
	if err != nil {
		return nil, err
	}
	defer link.stop()
	e := endpoint{address: link.tlsAddress, tls: b.cert.client(), token: true}
	if c.relay != "" {
		relay, err := b.start(c.relay, link.tlsAddress)
		if err != nil {
			return nil, err
		}
		defer relay.stop()
		e = b.endpoint(c, relay)
	}
	v := values{}
	for _, name := range []string{coldLogin, secondLogin, warmLogin} {
		if name == warmLogin {
			time.Sleep(prepareTime)
		}
		began := time.Now()
		cl, err := e.connect(user(0), idleBuffer)
		if err != nil {
			return nil, err
		}
		v[name] = math.Floor(time.Since(began).Seconds() / roundTrip.Seconds())
		defer cl.close()
	}
	return v, nil
}

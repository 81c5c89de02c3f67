package main

import (
	"errors"
	"strings"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

const (
	autostartKey   = `Software\Microsoft\Windows\CurrentVersion\Run`
	autostartValue = "Postern tray"
)

func autostarts() bool {
	k, err := registry.OpenKey(registry.CURRENT_USER, autostartKey, registry.QUERY_VALUE)
	if err != nil {
		return false
	}
	defer k.Close()
	_, _, err = k.GetStringValue(autostartValue)
	return err == nil
}

// setAutostart writes or removes what Windows starts when this user logs in.
func setAutostart(on bool, command []string) error {
	k, _, err := registry.CreateKey(registry.CURRENT_USER, autostartKey, registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer k.Close()
	if !on {
		if err := k.DeleteValue(autostartValue); !errors.Is(err, registry.ErrNotExist) {
			return err
		}
		return nil
	}
	quoted := make([]string, 0, len(command))
	for _, word := range command {
		quoted = append(quoted, windows.EscapeArg(word))
	}
	return k.SetStringValue(autostartValue, strings.Join(quoted, " "))
}

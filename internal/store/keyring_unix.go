//go:build dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/godbus/dbus/v5"
)

const keyringCure = "unlock it in the desktop's password manager, or log in to the desktop with your password; it needs no restart"

// Names of the Secret Service (specifications.freedesktop.org, "Secret Service API", 0.2).
const (
	secretsName       = "org.freedesktop.secrets"
	secretsPath       = "/org/freedesktop/secrets"
	secretsLogin      = secretsPath + "/collection/login"
	secretsInterface  = "org.freedesktop.Secret.Service"
	secretsCollection = "org.freedesktop.Secret.Collection"
)

// lookAtKeyring finds out whether the collection that the library will use is locked, on a connection of its
// own that ends with ctx. The library would start a D-Bus daemon where there is none, and wait forever for one
// that hangs, or for a password in a window that nobody sees. ErrUnavailable.
func lookAtKeyring(ctx context.Context) (locked bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := dbus.SessionBusPrivateNoAutoStartup(dbus.WithContext(ctx))
	if err == nil {
		defer conn.Close()
		if err = conn.Auth(nil); err == nil {
			err = conn.Hello()
		}
	}
	if err != nil {
		return false, fmt.Errorf("%w: there is no D-Bus session, so no keyring (%w); run postern in the desktop session or as a user "+
			"service of it, or keep the key in a file where there is no desktop", ErrUnavailable, err)
	}
	collection, err := keyringCollection(conn)
	if err != nil {
		return false, noKeyring(err)
	}
	if collection == "/" {
		return false, fmt.Errorf("%w: the desktop's password manager has no keyring yet; log in to the desktop with your password, "+
			"or make a keyring named \"login\" in the password manager", ErrUnavailable)
	}
	v, err := conn.Object(secretsName, collection).GetProperty(secretsCollection + ".Locked")
	if err != nil {
		return false, noKeyring(err)
	}
	locked, _ = v.Value().(bool)
	return locked, nil
}

// keyringCollection chooses as the library does: the collection "login", or else the default one; "/" when
// there is none.
func keyringCollection(conn *dbus.Conn) (dbus.ObjectPath, error) {
	service := conn.Object(secretsName, secretsPath)
	v, err := service.GetProperty(secretsInterface + ".Collections")
	if err != nil {
		return "", err
	}
	if all, _ := v.Value().([]dbus.ObjectPath); slices.Contains(all, secretsLogin) {
		return secretsLogin, nil
	}
	var path dbus.ObjectPath
	err = service.Call(secretsInterface+".ReadAlias", 0, "default").Store(&path)
	return path, err
}

func noKeyring(err error) error {
	if e, ok := errors.AsType[dbus.Error](err); ok && e.Name == "org.freedesktop.DBus.Error.ServiceUnknown" {
		return fmt.Errorf("%w: no password manager offers a keyring here; install and start gnome-keyring or KWallet, "+
			"or keep the key in a file where there is no desktop", ErrUnavailable)
	}
	return fmt.Errorf("%w: the keyring does not work (%w); see that the desktop's password manager runs", ErrUnavailable, err)
}

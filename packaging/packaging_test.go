package packaging

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestXML(t *testing.T) {
	for _, name := range []string{"postern.plist", "postern-task.xml"} {
		text, err := Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// What a package or an image takes from the repository has to be there.
func TestSourcesExist(t *testing.T) {
	nfpm, err := os.ReadFile("nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range regexp.MustCompile(`(?m)(?:src|postinstall|preremove|postremove): (\S+)$`).FindAllStringSubmatch(string(nfpm), -1) {
		if strings.HasPrefix(m[1], "dist/") {
			continue
		}
		found++
		if files, err := filepath.Glob(filepath.Join("..", m[1])); err != nil || len(files) == 0 {
			t.Errorf("nfpm.yaml: %s is not there: %v", m[1], err)
		}
	}
	if found < 10 {
		t.Errorf("found only %d sources: the pattern is wrong", found)
	}
}

// Both units and the helper that runs commands beside the one of the machine have to agree on whose files they are.
func TestHelperAgreesWithUnit(t *testing.T) {
	unit, err := os.ReadFile("postern-system.service")
	if err != nil {
		t.Fatal(err)
	}
	helper, err := os.ReadFile("postern-system")
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"User=postern", "DynamicUser=yes", "StateDirectory=postern", "StateDirectoryMode=0700",
		"ConfigurationDirectory=postern", "LoadCredential=postern-key", "UMask=0077"} {
		if !strings.Contains(string(unit), "\n"+setting+"\n") || !strings.Contains(string(helper), "-p "+setting+" ") {
			t.Errorf("%s is not in both", setting)
		}
	}
}

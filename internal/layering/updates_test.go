package layering

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// What another project makes and ours is built with has to be watched for updates, wherever it is named.
func TestUpdatesAreWatched(t *testing.T) {
	watched, err := os.ReadFile(filepath.Join("..", "..", ".github", "dependabot.yml"))
	if err != nil {
		t.Fatal(err)
	}
	ecosystems := map[string]string{"go.mod": "gomod", "package.json": "npm", "Dockerfile": "docker"}
	root := os.DirFS(filepath.Join("..", ".."))
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "dist" || d.Name() == ".git") {
			return fs.SkipDir
		}
		ecosystem := ecosystems[path.Base(name)]
		if d.IsDir() || ecosystem == "" {
			return nil
		}
		entry := "package-ecosystem: " + ecosystem + "\n    directory: " + path.Join("/", path.Dir(name)) + "\n"
		if !strings.Contains(string(watched), entry) {
			t.Errorf("%s: .github/dependabot.yml does not watch it", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

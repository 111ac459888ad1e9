# Homebrew formula: brew install --HEAD ./packaging/homebrew/nearsort.rb
class Nearsort < Formula
  desc "Local reranker: puts the best candidates first, on your own machine"
  homepage "https://github.com/nearsort/nearsort"
  license any_of: ["MIT", "Apache-2.0"]
  head "https://github.com/nearsort/nearsort.git", branch: "main"

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args(path: "cli")
    generate_completions_from_executable(bin/"nearsort", "completions")
    (man1/"nearsort.1").write Utils.safe_popen_read(bin/"nearsort", "man")
  end

  service do
    run [opt_bin/"nearsort", "serve"]
    keep_alive crashed: true
    log_path var/"log/nearsort.log"
    error_log_path var/"log/nearsort.log"
  end

  test do
    assert_match "nearsort", shell_output("#{bin}/nearsort --version")
    assert_match "all-MiniLM-L6-v2", shell_output("#{bin}/nearsort models list")
  end
end

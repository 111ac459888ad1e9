# nix run github:nearsort/nearsort -- --version
{
  description = "nearsort, a local reranker";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      forAll = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
    in
    {
      packages = forAll (pkgs: {
        default = pkgs.rustPlatform.buildRustPackage {
          pname = "nearsort";
          version = (fromTOML (builtins.readFile ./Cargo.toml)).workspace.package.version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          cargoBuildFlags = [
            "--package"
            "nearsort-cli"
          ];
          # The tests fetch a model, and a build of Nix has no network.
          doCheck = false;
          nativeBuildInputs = [ pkgs.installShellFiles ];
          postInstall = ''
            installShellCompletion --cmd nearsort \
              --bash <($out/bin/nearsort completions bash) \
              --zsh <($out/bin/nearsort completions zsh) \
              --fish <($out/bin/nearsort completions fish)
            $out/bin/nearsort man > nearsort.1
            installManPage nearsort.1
          '';
          meta = {
            description = "Local reranker: puts the best candidates first, on your own machine";
            homepage = "https://github.com/nearsort/nearsort";
            license = with pkgs.lib.licenses; [
              mit
              asl20
            ];
            mainProgram = "nearsort";
          };
        };
      });

      devShells = forAll (pkgs: {
        default = pkgs.mkShell {
          packages = with pkgs; [
            cargo
            clippy
            rustfmt
            python3
          ];
        };
      });
    };
}

"""Is nginx found with its module, and what is it told?"""

import re
from pathlib import Path

from tests.bench.gateway.nginx import configuration, found


def put_program(folder: Path) -> Path:
    program = folder / "sbin" / "nginx"
    program.parent.mkdir()
    program.touch(0o755)
    return program


def test_nginx_without_the_module_counts_as_missing(tmp_path: Path) -> None:
    """Neither alone is a yardstick."""
    assert found(str(tmp_path / "sbin")) is None
    program = put_program(tmp_path)
    assert found(str(tmp_path / "sbin")) is None
    module = tmp_path / "lib" / "nginx" / "modules" / "ngx_nchan_module.so"
    module.parent.mkdir(parents=True)
    module.touch()
    assert found(str(tmp_path / "sbin")) == (program, module)


def test_it_listens_on_loopback_alone_and_writes_into_its_folder_alone(tmp_path: Path) -> None:
    """Whatever else runs on the machine is left alone."""
    module = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
    told = configuration(module, tmp_path, 18_080, 20_000)
    assert re.findall(r"listen (\S+) ", told) == ["127.0.0.1:18080"]
    paths = {Path(path) for path in re.findall(r"(?<= )/[^\s;]+", told)}
    assert all(path == module or tmp_path in path.parents for path in paths if not path.name.startswith("("))
    assert tmp_path / "nginx.pid" in paths

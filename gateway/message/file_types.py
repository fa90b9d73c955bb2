"""
The kinds of files that the gateway tells apart: what they are called, by senders and by rules, and what shows them.

It is a table and nothing else; what is in some content is told by L{gateway.message.true_type}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

ShownBy: TypeAlias = Literal["signature", "text", "claim"]


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """
    One kind of file.

    @ivar what: it in words, such as C{"a Windows program"}.
    @ivar groups: those that a rule may name in place of it, such as C{"executable"}.
    @ivar media_types: by which it is declared, in lower case and without parameters.
    @ivar extensions: of its names, in lower case and without the dot.
    @ivar shown_by: C{"signature"}: its first bytes always say so, so that where they don't it is something else whatever
        is claimed; C{"text"}: it is text, which may be claimed to be this; C{"claim"}: often nothing in it says so.
    """

    what: str
    groups: frozenset[str]
    media_types: tuple[str, ...]
    extensions: tuple[str, ...]
    shown_by: ShownBy


# Name, words, groups, media types, extensions. A media type or an extension that stands twice belongs to the first.
_SIGNATURE = """
exe | a Windows program | executable pe | application/vnd.microsoft.portable-executable application/x-msdownload application/x-dosexec application/x-msdos-program application/x-exe application/exe application/dos-exe application/x-winexe | exe scr pif
dll | a Windows library | executable pe | application/x-msdownload-dll application/x-sharedlib-pe | dll ocx cpl drv ax xll
sys | a Windows driver | executable pe | | sys efi
elf | a program or library for Unix | executable | application/x-elf application/x-executable application/x-sharedlib application/x-pie-executable application/x-object | elf so ko
macho | a program or library for macOS | executable | application/x-mach-binary application/x-mach-o | dylib
class | compiled Java | executable | application/java-vm application/x-java-applet application/java-byte-code | class
dex | compiled Android code | executable | application/vnd.android.dex | dex
wasm | WebAssembly | web | application/wasm | wasm
pyc | compiled Python | executable | application/x-python-bytecode | pyc pyo
luac | compiled Lua | executable | application/x-lua-bytecode | luac
lnk | a Windows shortcut | executable | application/x-ms-shortcut | lnk
msi | a Windows installer package | executable container | application/x-msi application/x-ole-storage-msi | msi msp mst
jar | a Java archive | executable archive container | application/java-archive application/x-java-archive | jar war ear
apk | an Android package | executable archive container | application/vnd.android.package-archive | apk xapk aab
ipa | an iOS package | executable archive container | application/x-ios-app | ipa
appx | a Windows app package | executable archive container | application/appx application/msix application/appxbundle application/msixbundle | appx msix appxbundle msixbundle
xpi | a browser extension | executable archive container | application/x-xpinstall | xpi
crx | a browser extension | executable archive container | application/x-chrome-extension | crx
deb | a Debian package | executable archive container | application/vnd.debian.binary-package application/x-debian-package application/x-deb | deb udeb
rpm | an RPM package | executable archive container | application/x-rpm application/x-redhat-package-manager | rpm
xar | a macOS package | executable archive container | application/x-xar application/x-newton-compatible-pkg | pkg mpkg xar xip
swf | a Flash film | executable video | application/x-shockwave-flash application/vnd.adobe.flash.movie | swf
zip | a ZIP archive | archive container | application/zip application/x-zip-compressed application/x-zip multipart/x-zip | zip zipx
gzip | a gzip archive | archive container | application/gzip application/x-gzip application/x-tgz application/x-gtar-compressed | gz tgz
bzip2 | a bzip2 archive | archive container | application/x-bzip2 application/x-bzip application/bzip2 | bz2 tbz tbz2 bz
xz | an xz archive | archive container | application/x-xz | xz txz
zstd | a Zstandard archive | archive container | application/zstd application/x-zstd | zst tzst
lz4 | an LZ4 archive | archive container | application/x-lz4 | lz4
lzip | an lzip archive | archive container | application/lzip application/x-lzip | lz tlz
lzop | an lzop archive | archive container | application/x-lzop | lzo
lrzip | an lrzip archive | archive container | application/x-lrzip | lrz
compress | a compress archive | archive container | application/x-compress application/x-compressed | z taz
snappy | a Snappy archive | archive container | application/x-snappy-framed | sz
7z | a 7-Zip archive | archive container | application/x-7z-compressed | 7z
rar | a RAR archive | archive container | application/vnd.rar application/x-rar-compressed application/x-rar | rar
tar | a tar archive | archive container | application/x-tar application/x-gtar application/x-ustar | tar
cpio | a cpio archive | archive container | application/x-cpio | cpio
ar | a Unix archive | archive container | application/x-archive application/x-unix-archive | a ar lib
cab | a Windows cabinet | archive container | application/vnd.ms-cab-compressed application/x-cab | cab
arj | an ARJ archive | archive container | application/x-arj application/arj | arj
lzh | an LZH archive | archive container | application/x-lzh-compressed application/x-lzh application/x-lha | lzh lha
ace | an ACE archive | archive container | application/x-ace-compressed application/x-ace | ace
alz | an ALZip archive | archive container | application/x-alz | alz egg
sit | a StuffIt archive | archive container | application/x-stuffit application/x-stuffitx | sit sitx
tnef | mail of Outlook | archive container | application/ms-tnef application/vnd.ms-tnef | tnef
vhdx | a disk image | disk_image container | application/x-vhdx | vhdx
qcow2 | a disk image | disk_image container | application/x-qemu-disk | qcow2 qcow
wim | a Windows image | disk_image archive container | application/x-ms-wim | wim swm esd
squashfs | a file system image | disk_image archive container | application/vnd.squashfs | squashfs sfs snap appimage
pdf | a PDF document | document container | application/pdf application/x-pdf | pdf
ps | PostScript | document | application/postscript application/eps | ps eps
docx | a Word document | document office container | application/vnd.openxmlformats-officedocument.wordprocessingml.document application/vnd.openxmlformats-officedocument.wordprocessingml.template | docx dotx
docm | a Word document with macros | document office macro container | application/vnd.ms-word.document.macroenabled.12 application/vnd.ms-word.template.macroenabled.12 | docm dotm
xlsx | an Excel workbook | document office container | application/vnd.openxmlformats-officedocument.spreadsheetml.sheet application/vnd.openxmlformats-officedocument.spreadsheetml.template | xlsx xltx
xlsm | an Excel workbook with macros | document office macro container | application/vnd.ms-excel.sheet.macroenabled.12 application/vnd.ms-excel.template.macroenabled.12 application/vnd.ms-excel.addin.macroenabled.12 application/vnd.ms-excel.sheet.binary.macroenabled.12 | xlsm xltm xlam xlsb
pptx | a PowerPoint presentation | document office container | application/vnd.openxmlformats-officedocument.presentationml.presentation application/vnd.openxmlformats-officedocument.presentationml.slideshow application/vnd.openxmlformats-officedocument.presentationml.template | pptx ppsx potx
pptm | a PowerPoint presentation with macros | document office macro container | application/vnd.ms-powerpoint.presentation.macroenabled.12 application/vnd.ms-powerpoint.slideshow.macroenabled.12 application/vnd.ms-powerpoint.template.macroenabled.12 application/vnd.ms-powerpoint.addin.macroenabled.12 | pptm ppsm potm ppam
vsdx | a Visio drawing | document office container | application/vnd.ms-visio.drawing application/vnd.ms-visio.drawing.main+xml | vsdx vstx
ooxml | an Office document | document office container | | vsdm thmx xps
doc | a Word document | document office container | application/msword application/vnd.ms-word | doc dot
xls | an Excel workbook | document office container | application/vnd.ms-excel application/msexcel application/x-msexcel | xls xlt xla
ppt | a PowerPoint presentation | document office container | application/vnd.ms-powerpoint application/mspowerpoint | ppt pps pot
msg | mail of Outlook | document mail container | application/vnd.ms-outlook | msg
vsd | a Visio drawing | document office container | application/vnd.visio application/x-visio | vsd
mpp | a project plan | document office container | application/vnd.ms-project | mpp
pub | a Publisher document | document office container | application/vnd.ms-publisher application/x-mspublisher | pub
ole | a compound document | document office container | application/x-ole-storage application/x-cfb | 
odt | an OpenDocument text | document office container | application/vnd.oasis.opendocument.text application/vnd.oasis.opendocument.text-template | odt ott
ods | an OpenDocument spreadsheet | document office container | application/vnd.oasis.opendocument.spreadsheet application/vnd.oasis.opendocument.spreadsheet-template | ods ots
odp | an OpenDocument presentation | document office container | application/vnd.oasis.opendocument.presentation application/vnd.oasis.opendocument.presentation-template | odp otp
odg | an OpenDocument drawing | document office container | application/vnd.oasis.opendocument.graphics | odg otg
epub | an electronic book | document container | application/epub+zip | epub
rtf | a rich text document | document container | application/rtf text/rtf application/x-rtf text/richtext | rtf
onenote | a OneNote section | document office container | application/onenote application/msonenote | one onepkg onetoc2
chm | a Windows help file | document container | application/vnd.ms-htmlhelp application/x-chm | chm
mdb | an Access database | document office container | application/vnd.ms-access application/x-msaccess application/msaccess | mdb accdb accde mde
pst | an Outlook mail store | mail container | application/vnd.ms-outlook-pst | pst ost
djvu | a DjVu document | document | image/vnd.djvu image/x-djvu | djvu djv
png | a PNG image | image | image/png image/x-png image/apng | png apng
jpeg | a JPEG image | image | image/jpeg image/jpg image/pjpeg | jpg jpeg jpe jfif
gif | a GIF image | image | image/gif | gif
bmp | a bitmap image | image | image/bmp image/x-ms-bmp image/x-bmp | bmp dib
tiff | a TIFF image | image | image/tiff image/tiff-fx image/x-adobe-dng image/x-canon-cr2 image/x-nikon-nef | tif tiff dng cr2 nef
webp | a WebP image | image | image/webp | webp
ico | an icon | image | image/x-icon image/vnd.microsoft.icon image/ico | ico cur
ani | an animated cursor | image | application/x-navi-animation | ani
avif | an AVIF image | image | image/avif image/avif-sequence | avif avifs
heic | an HEIF image | image | image/heic image/heif image/heic-sequence image/heif-sequence | heic heif hif
jxl | a JPEG XL image | image | image/jxl | jxl
jp2 | a JPEG 2000 image | image | image/jp2 image/jpx image/jpm | jp2 j2k jpf jpx
psd | a Photoshop image | image | image/vnd.adobe.photoshop image/x-photoshop | psd psb
emf | a Windows metafile | image | image/emf image/x-emf | emf
wmf | a Windows metafile | image | image/wmf image/x-wmf | wmf
xcf | a GIMP image | image | image/x-xcf | xcf
dds | a DirectDraw image | image | image/vnd-ms.dds image/x-dds | dds
exr | an OpenEXR image | image | image/x-exr | exr
icns | an Apple icon | image | image/icns image/x-icns | icns
ttf | a TrueType font | font | font/ttf font/sfnt application/x-font-ttf application/x-font-truetype | ttf ttc
otf | an OpenType font | font | font/otf application/x-font-otf application/x-font-opentype application/vnd.ms-opentype | otf
woff | a web font | font | font/woff application/font-woff application/x-font-woff | woff
woff2 | a web font | font | font/woff2 application/font-woff2 | woff2
eot | a web font | font | application/vnd.ms-fontobject | eot
sqlite | an SQLite database | data | application/vnd.sqlite3 application/x-sqlite3 | sqlite sqlite3
pcap | recorded network traffic | data | application/vnd.tcpdump.pcap application/x-pcapng | pcap pcapng cap
torrent | a BitTorrent file | data | application/x-bittorrent | torrent
parquet | a Parquet table | data | application/vnd.apache.parquet | parquet
hdf5 | an HDF5 file | data | application/x-hdf5 application/x-hdf | h5 hdf5
dicom | a DICOM image | image | application/dicom | dcm
php | a PHP script | script text | application/x-httpd-php text/x-php application/x-php | php phtml
reg | Windows registry entries | script text | text/x-ms-regedit | reg
"""
_TEXT = """
sh | a shell script | script text | application/x-sh application/x-shellscript text/x-sh text/x-shellscript application/x-csh | sh bash zsh ksh csh command
python | a Python script | script text | text/x-python text/x-script.python application/x-python application/x-python-code | py pyw
perl | a Perl script | script text | text/x-perl application/x-perl | pm
ruby | a Ruby script | script text | text/x-ruby application/x-ruby | rb
bat | a Windows batch file | script text | application/bat application/x-bat application/x-msdos-batch text/x-msdos-batch | bat cmd
ps1 | a PowerShell script | script text | application/x-powershell text/x-powershell application/powershell | ps1 psm1 psd1 ps1xml
vbs | a Visual Basic script | script text | text/vbscript text/vbs application/x-vbs application/x-vbscript | vbs vbe vb
jscript | a script for the Windows Script Host | script text | text/jscript | jse
wsf | a Windows script file | script text | text/scriptlet application/x-wsf | wsf wsc sct
hta | an HTML application | script text | application/hta | hta
applescript | an AppleScript | script text | text/x-applescript | applescript scpt
html | an HTML page | text web | text/html application/xhtml+xml application/vnd.wap.xhtml+xml | html htm xhtml xht shtml
js | JavaScript | text web | text/javascript application/javascript application/x-javascript application/ecmascript text/ecmascript | js mjs cjs
css | a style sheet | text web | text/css | css
json | JSON | text web | application/json text/json application/ld+json application/manifest+json application/geo+json application/problem+json application/x-ndjson application/jsonl | json jsonl ndjson map webmanifest geojson
xml | XML | text web | application/xml text/xml application/rss+xml application/atom+xml application/soap+xml application/xslt+xml application/xml-dtd | xml xsd xsl xslt rss atom dtd
svg | an SVG image | image text web | image/svg+xml | svg
csv | a table as text | text | text/csv text/tab-separated-values application/csv | csv tsv
slk | a SYLK table | document office text | application/x-sylk | slk
ics | a calendar | text | text/calendar | ics ifb
vcard | address cards | text | text/vcard text/x-vcard | vcf vcard
eml | mail | text mail container | message/rfc822 message/global | eml
mht | a web archive | text mail container | multipart/related application/x-mimearchive | mht mhtml
mbox | a mailbox | text mail container | application/mbox | mbox
url | an Internet shortcut | text | application/internet-shortcut application/x-mswinurl | url website
uu | uuencoded files | text archive container | text/x-uuencode application/x-uuencode | uu uue
binhex | a BinHex archive | text archive container | application/mac-binhex40 | hqx
pem | certificates or keys | text | application/x-pem-file application/x-x509-ca-cert application/pem-certificate-chain | pem crt
pgp | an OpenPGP message or key | text | application/pgp-encrypted application/pgp-signature application/pgp-keys | asc
m3u | a playlist | text | application/vnd.apple.mpegurl application/x-mpegurl audio/mpegurl audio/x-mpegurl | m3u m3u8
mpd | a playlist | text | application/dash+xml | mpd
vtt | subtitles | text | text/vtt application/x-subrip | vtt srt
yaml | YAML | text | application/yaml application/x-yaml text/yaml | yaml yml
toml | TOML | text | application/toml | toml
sql | SQL | text | application/sql | sql
tex | TeX | text | application/x-tex application/x-latex text/x-tex | tex
markdown | Markdown | text | text/markdown | md markdown
source | source code | text | text/x-c text/x-c++ text/x-csrc text/x-java text/x-go text/x-rust | c h cc cpp hpp java go rs cs ts tsx jsx kt swift
text | text | text | text/plain | txt log ini conf cfg
"""
_CLAIM = """
iso | a disc image | disk_image archive container | application/x-iso9660-image application/x-cd-image application/x-iso | iso
dmg | a macOS disk image | disk_image archive container | application/x-apple-diskimage | dmg
vhd | a disk image | disk_image container | application/x-vhd | vhd
vmdk | a disk image | disk_image container | application/x-vmdk application/x-virtualbox-vmdk | vmdk
udf | a disc image | disk_image archive container | application/x-udf-image | udf
fat | a disk image | disk_image container | application/x-raw-disk-image application/x-raw-floppy-disk-image | img ima vfd
lzma | an LZMA archive | archive container | application/x-lzma | lzma
brotli | a Brotli archive | archive container | application/x-brotli | br
mp3 | MP3 audio | audio | audio/mpeg audio/mp3 audio/x-mp3 audio/x-mpeg | mp3 mp2 mpga
aac | AAC audio | audio | audio/aac audio/aacp audio/x-aac | aac adts
ogg | Ogg audio or video | audio video | audio/ogg video/ogg application/ogg audio/opus audio/vorbis | ogg oga ogv opus spx
flac | FLAC audio | audio | audio/flac audio/x-flac | flac
wav | WAVE audio | audio | audio/wav audio/x-wav audio/wave audio/vnd.wave | wav
aiff | AIFF audio | audio | audio/aiff audio/x-aiff | aif aiff aifc
midi | MIDI audio | audio | audio/midi audio/x-midi audio/mid | mid midi
amr | AMR audio | audio | audio/amr audio/amr-wb | amr awb
m4a | MPEG-4 audio | audio | audio/mp4 audio/m4a audio/x-m4a | m4a m4b
au | Sun audio | audio | audio/basic | au snd
asf | Windows media | audio video | video/x-ms-asf application/vnd.ms-asf video/x-ms-wmv audio/x-ms-wma | asf wmv wma
mp4 | MPEG-4 video | video | video/mp4 application/mp4 video/x-m4v video/iso.segment | mp4 m4v m4s f4v
mov | QuickTime video | video | video/quicktime | mov qt
3gp | 3GPP video | video | video/3gpp video/3gpp2 audio/3gpp audio/3gpp2 | 3gp 3g2
webm | WebM video | video | video/webm audio/webm | webm weba
mkv | Matroska video | video | video/matroska video/x-matroska audio/x-matroska | mkv mka mks
avi | AVI video | video | video/x-msvideo video/avi video/msvideo | avi divx
flv | Flash video | video | video/x-flv video/flv | flv
mpeg | MPEG video | video | video/mpeg video/mpg video/x-mpeg | mpg mpeg mpe m2v vob
mpegts | an MPEG transport stream | video | video/mp2t video/vnd.dlna.mpeg-tts | m2ts mts
"""


def _rows(table: str, shown_by: ShownBy) -> Iterable[tuple[str, TypeInfo]]:
    for line in table.strip().splitlines():
        name, what, groups, media, extensions = (part.strip() for part in line.split("|"))
        yield (
            name,
            TypeInfo(
                what,
                frozenset(groups.split()),
                tuple(media.split()),
                tuple(extensions.split()),
                shown_by,
            ),
        )


#: All kinds by their canonical names.
TYPES: Final[Mapping[str, TypeInfo]] = MappingProxyType(
    dict([*_rows(_SIGNATURE, "signature"), *_rows(_TEXT, "text"), *_rows(_CLAIM, "claim")])
)


def _groups() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name, info in TYPES.items():
        for group in info.groups:
            found.setdefault(group, set()).add(name)
    return {group: frozenset(names) for group, names in sorted(found.items())}


#: The names of the kinds in each group: C{executable}, C{archive}, C{document}, C{image}, C{audio}, C{video}, C{script},
#: C{text}, C{font}, C{disk_image} and some finer ones. What is in C{container} may have files in it.
TYPE_GROUPS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(_groups())


def _by(kind: Literal["media_types", "extensions"]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, info in TYPES.items():
        for one in getattr(info, kind):
            found.setdefault(one, name)
    return found


#: The kind that a media type declares.
BY_MEDIA_TYPE: Final[Mapping[str, str]] = MappingProxyType(_by("media_types"))
#: The kind that an extension stands for.
BY_EXTENSION: Final[Mapping[str, str]] = MappingProxyType(_by("extensions"))

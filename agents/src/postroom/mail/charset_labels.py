"""Charset names and the Python codecs that read them. Names are in lower case, without punctuation.

The names are those of the WHATWG Encoding Standard, of glibc's iconv and of Python. As in the Encoding Standard, a
charset maps to the codec of its superset: texts labelled Latin-1 are often windows-1252, and so on; ASCII is UTF-8.
`replacement`, iso-2022-cn and x-user-defined, which Python cannot read, are read as ASCII. Code pages that only iconv
can read (most of EBCDIC, national variants of ISO 646) are missing.
"""

from typing import Final

LABELS: Final[dict[str, str]] = {
    "big5hkscs": "big5 big5hkscs big5tw bigfive cnbig5 csbig5 hkscs xbig5 xmactradchinese xxbig5",
    "cp037": """
        037 cp037 cp1070 cp282 csibm037 ebcdiccpca ebcdiccpnl ebcdiccpus ebcdiccpwt ibm037 ibm039
        osf10020025
    """,
    "cp1006": "cp1006",
    "cp1026": "1026 cp1026 cp1155 csibm1026 csibm1155 ibm1026 ibm1155 osf10020402",
    "cp1125": "1125 cp1125 cp866u ibm1125 ibm848 ruscii",
    "cp1140": "1140 cp1140 csibm1140 ibm1140",
    "cp1250": "1250 cp1250 msee windows1250 xcp1250",
    "cp1251": "1251 cp1251 cp5347 csibm5347 ibm5347 mscyrl windows1251 xcp1251",
    "cp1252": """
        1252 8859 88591 ansi cp1004 cp1252 cp28591 cp819 csisolatin1 ibm1004 ibm819 iso8859 iso88591
        iso885911987 isoir100 l1 latin latin1 msansi os2latin1 osf00010001 windows1252 xcp1252
    """,
    "cp1253": "1253 cp1253 msgreek windows1253 xcp1253",
    "cp1254": """
        1254 88599 cp1254 cp920 csisolatin5 ecma128 ibm920 iso88599 iso885991989 isoir148 l5 latin5
        msturk osf00010009 ts5881 windows1254 xcp1254
    """,
    "cp1255": "1255 cp1255 mshebr windows1255 xcp1255",
    "cp1256": "1256 cp1256 cp9448 csibm9448 ibm9448 msarab windows1256 xcp1256",
    "cp1257": "1257 cp1257 winbaltrim windows1257 xcp1257",
    "cp1258": "1258 cp1258 windows1258 xcp1258",
    "cp273": """
        273 cp1141 cp273 csebcdicatde csibm1141 csibm273 ebcdicatde ibm1141 ibm273 osf10020111
    """,
    "cp424": "424 cp424 csebcdicus csibm424 ebcdiccphe ebcdicus ibm424 osf100201a8",
    "cp437": "437 cp437 cspc8codepage437 ibm437 osf100201b5",
    "cp500": """
        500 500v1 cp038 cp1084 cp1148 cp500 csibm038 csibm1148 csibm500 ebcdiccpbe ebcdiccpch ebcdicint
        ibm038 ibm1148 ibm500 osf100201f4
    """,
    "cp720": "cp720",
    "cp737": "cp737",
    "cp775": "775 cp775 cspc775baltic ibm775",
    "cp850": "850 cp850 cspc850multilingual ibm850 osf10020352",
    "cp852": "852 cp852 cspcp852 ibm852 osf10020354",
    "cp855": "855 cp855 csibm855 ibm855 osf10020357",
    "cp856": "856 cp856 csibm856 ibm856",
    "cp857": "857 cp857 csibm857 ibm857 osf10020359",
    "cp858": "858 cp858 csibm858 cspc858multilingual ibm858",
    "cp860": "860 cp860 csibm860 ibm860",
    "cp861": "861 cp861 cpibm861 cpis csibm861 ibm861 osf1002035d",
    "cp862": "862 cp862 cspc862latinhebrew ibm862 osf1002035e",
    "cp863": "863 cp863 csibm863 ibm863 osf1002035f",
    "cp864": "864 cp864 csibm864 ibm864 osf10020360",
    "cp865": "865 cp865 csibm865 ibm865",
    "cp866": "866 cp866 csibm866 ibm866",
    "cp869": "869 cp869 cpgr csibm869 ibm869 osf10020365",
    "cp874": """
        874 cp874 dos874 hpthai8 ibm874 iso885911 iso8859112001 isoir166 thai thai8 tis620 tis6200
        tis62025290 tis62025291 tis62025330 windows874
    """,
    "cp875": "cp4971 cp875 csibm4971 ebcdicgreek ibm4971 ibm875 osf1002036b",
    "cp932": """
        932 cp932 csibm932 csibm943 csshiftjis cswindows31j ibm932 ibm943 ms932 mskanji shiftjis sjis
        sjisopen sjiswin windows31j windows932 xcp932 xmacjapanese xsjis
    """,
    "cp949": """
        949 cp51949 cp949 cseuckr csksc56011987 euckr isoir149 korean ksc5601 ksc56011987 ksc56011989
        ksx1001 ms949 mscp949 osf0004000a osf100203b5 uhc windows949 xeuckr xmackorean xwindows949
    """,
    "cp950": "950 cp950 ms950 windows950",
    "euc_jis_2004": "eucjis2004 eucjisx0213 jisx0213",
    "euc_jp": """
        cp51932 cseucpkdfmtjapanese eucjp eucjpms eucjpopen eucjpwin osf00030010 ujis xeucjp
    """,
    "gb18030": """
        936 chinese cngb cp54936 cp936 csgb2312 csiso58gb231280 euccn eucgb2312cn gb13000 gb18030
        gb180302000 gb2312 gb23121980 gb231280 gbk isoir58 ms936 windows936 xgbk xmacsimpchinese
    """,
    "hp_roman8": "cp1051 cshproman8 hproman8 hproman9 ibm1051 osf10010001 r8 r9 roman8 roman9",
    "hz": "hz hzgb hzgb2312",
    "iso2022_jp_2": "csiso2022jp2 iso2022jp2",
    "iso2022_jp_2004": "iso2022jp2004",
    "iso2022_jp_3": "iso2022jp3",
    "iso2022_jp_ext": "cp50220 cp50221 cp50222 csiso2022jp iso2022jp iso2022jp1 iso2022jpext",
    "iso2022_kr": "csiso2022kr iso2022kr",
    "iso8859_10": "csisolatin6 iso885910 iso8859101992 isoir157 l6 latin6 osf0001000a",
    "iso8859_13": "baltic cp901 cp921 csibm901 csibm921 ibm901 ibm921 iso885913 isoir179 l7 latin7",
    "iso8859_14": "iso885914 iso8859141998 isoceltic isoir199 l8 latin8",
    "iso8859_15": "cp28605 csisolatin9 iso885915 iso8859151998 isoir203 l9 latin9",
    "iso8859_16": "iso885916 iso8859162001 isoir226 l10 latin10",
    "iso8859_2": """
        88592 cp912 csiso139csn369103 csisolatin2 csn369103 ibm912 iso88592 iso885921987 isoir101
        isoir139 l2 latin2 osf00010002
    """,
    "iso8859_3": "88593 csisolatin3 iso88593 iso885931988 isoir109 l3 latin3 osf00010003",
    "iso8859_4": "88594 csisolatin4 iso88594 iso885941988 isoir110 l4 latin4 osf00010004",
    "iso8859_5": """
        88595 cp915 csiso153gost1976874 csisolatincyrillic cyrillic gost19768 gost1976874 ibm915
        iso88595 iso885951988 isoir144 isoir153 osf00010005 stsev35888
    """,
    "iso8859_6": """
        88596 arabic asmo708 cp1089 csiso88596e csiso88596i csisolatinarabic ecma114 ibm1089 iso88596
        iso885961987 iso88596e iso88596i isoir127 osf00010006
    """,
    "iso8859_7": """
        88597 cp4909 cp813 csibm4909 csisolatingreek ecma118 elot928 greek greek8 ibm4909 ibm813
        iso88597 iso885971987 iso885972003 isoir126 osf00010007 suneugreek
    """,
    "iso8859_8": """
        88598 cp916 csiso88598e csiso88598i csisolatinhebrew hebrew ibm916 iso88598 iso885981988
        iso88598e iso88598i isoir138 logical osf00010008 visual
    """,
    "johab": "cp1361 johab ms1361 mscp1361",
    "koi8_r": "cp20866 cskoi8r koi koi8 koi8r xkoi8r",
    "koi8_t": "koi8t",
    "koi8_u": "cp21866 koi8ru koi8u",
    "kz1048": "kz1048 rk1048 strk10482002",
    "mac_arabic": "macarabic",
    "mac_croatian": "maccroatian",
    "mac_cyrillic": """
        cp10007 maccyrillic macuk macukrainian msmaccyrillic xmaccyrillic xmacukrainian
    """,
    "mac_farsi": "macfarsi",
    "mac_greek": "macgreek",
    "mac_iceland": "maciceland",
    "mac_latin2": "cp1282 maccenteuro maccentraleurope maclatin2",
    "mac_roman": "cp10000 csmacintosh mac macintosh macroman xmacroman",
    "mac_romanian": "macromanian",
    "mac_turkish": "macturkish",
    "ptcp154": "cp154 csptcp154 cyrillicasian pt154 ptcp154",
    "shift_jis_2004": "shiftjis2004 sjis2004",
    "shift_jisx0213": """
        csiso14jisc6220ro csiso92jisc62991984b iso646jp iso646jpocrb isoir14 isoir92 jisc62201969ro
        jisc62291984b jp jpocrb shiftjisx0213 sjisx0213
    """,
    "utf_16": """
        csunicode iso10646ucs2 osf00010100 osf00010101 osf00010102 u16 ucs2 unicode unicodefeff utf16
    """,
    "utf_16_be": "ucs2be unicodebig unicodebigunmarked unicodefffe utf16be",
    "utf_16_le": "ucs2le unicodelittle unicodelittleunmarked utf16le",
    "utf_32": "u32 utf32",
    "utf_32_be": """
        1064611993 csucs4 iso10646 osf00010104 osf00010105 osf00010106 ucs4 ucs4be utf32be
    """,
    "utf_32_le": "ucs4le utf32le wchart",
    "utf_7": "cp65000 u7 unicode11utf7 utf7",
    "utf_8": """
        646 ansix34 ansix341968 ansix341986 ascii bs4730 cn cp367 cp65001 cp891 cp903 csascii csibm891
        csibm903 csiso2022cn csiso49inis csiso4unitedkingdom csiso58gb1988 csksc5636 gb gb198880 ibm367
        ibm891 ibm903 inis iso2022cn iso2022cnext iso646cn iso646gb iso646irv1991 iso646kr iso646us
        isoir193 isoir4 isoir49 isoir57 isoir6 ksc5636 osf00010020 osf05010001 osf1002037b osf10020387
        replacement u8 uk unicode11utf8 unicode20utf8 us usascii utf utf8 utf8mac utf8sig utf8ucs2
        utf8ucs4 xunicode20utf8 xuserdefined
    """,
}
